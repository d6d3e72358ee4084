"""Every module with a stock original in mmdet or mmseg, in a size for tests: the stock class, and what it takes."""
