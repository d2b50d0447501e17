"""The nouns and the pure rules over them. Standard library only."""
