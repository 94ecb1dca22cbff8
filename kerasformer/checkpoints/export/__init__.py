"""Writers of models: Hugging Face's layout, TF Hub's SavedModels, and models for serving."""
