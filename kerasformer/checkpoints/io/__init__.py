"""The bytes of files of tensors: readers, and the writer of safetensors."""
