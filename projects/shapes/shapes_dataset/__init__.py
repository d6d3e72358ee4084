"""The generator of the Shapes data set."""
