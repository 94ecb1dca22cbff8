"""The tasks that BERT is pretrained with: masked words, the next sentence."""
