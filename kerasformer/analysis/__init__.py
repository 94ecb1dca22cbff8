"""Looking into encoders: layers, contexts, projections, attention."""
