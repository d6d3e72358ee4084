"""Units with hierarchical feature fusion: ESP, EESP and what their networks are made of."""
