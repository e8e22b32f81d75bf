"""The messages the tagger takes in, and the ones its loops send each other."""
