"""medsnap: secure handling of clinical photographs from phones and tablets."""

__version__ = "0.1.0"
