"""medsnap: secure handling of clinical photographs from phones and tablets."""

__version__ = "0.1.0"
__released__ = "2026-11-24"  # the day of this version's release: a policy may ask how old medsnap is
