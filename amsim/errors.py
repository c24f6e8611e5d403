"""The exceptions and warnings of amsim beyond ValueError and TypeError."""


class GuaranteeWarning(UserWarning):
    """A property proven for other networks (energy descent, a bounded energy) is lost here."""


class MissingDependencyError(ImportError):
    """A package that this feature needs is not installed; the message says how to get it."""


class SettlingWarning(UserWarning):
    """Cues that did not come to rest are left out of a gradient; the message says how many."""
