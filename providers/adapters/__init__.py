"""One provider a file; the folder is the registry (`providers.all`)."""
