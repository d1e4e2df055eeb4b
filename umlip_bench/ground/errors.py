"""The errors a user can cause and mend; each message names the value, what is allowed, the remedy.

Everything here derives from `UmlipBenchError`, which the command line prints as one message
without a traceback. Anything else that escapes is a bug and keeps its traceback.
"""


class UmlipBenchError(Exception):
    """Base of all errors that a user can mend."""


class ContentError(UmlipBenchError, ValueError):
    """A file or a text that is not what it has to be; says which entry and field."""


class UnknownModelError(UmlipBenchError):
    """No model, file or calculator goes by the given name."""


class NotBuilt(UmlipBenchError):
    """An environment that is known, but not on this machine as it is needed.

    Parameters
    ----------
    message
        What is wrong, with the remedy.
    environment
        Its name, or the path of its file, as `umlip_bench.environments.build.build` takes it.
    """

    def __init__(self, message: str, environment: str) -> None:
        super().__init__(message)
        self.environment = environment


class WeightsError(UmlipBenchError):
    """Weights are absent, cannot be fetched, fail their check or cannot be read."""


class StructureError(UmlipBenchError):
    """A structure that the potential cannot or should not be evaluated on."""


class DataError(UmlipBenchError):
    """Reference data that is missing, unreadable or incomplete."""


class DeviceError(UmlipBenchError):
    """A device or number format that is not to be had."""


class OutputError(UmlipBenchError):
    """A file that cannot be written, or that is not ours to overwrite."""


class RunFolderError(UmlipBenchError):
    """A run folder that is damaged, in use, or holds another run."""


class JournalError(UmlipBenchError):
    """Results of an earlier command that cannot be read, or new ones that cannot be written."""


class CorrectionError(UmlipBenchError):
    """Labels that no correction can be fitted to, or a corrected model that cannot be written."""


class LabelError(UmlipBenchError):
    """Frames to label that cannot be chosen, written, computed or read back."""
