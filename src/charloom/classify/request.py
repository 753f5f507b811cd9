"""What a user asks of a classifier's run."""

from dataclasses import dataclass

from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig
from charloom.training.request import Request


@dataclass(frozen=True)
class ClassifierRequest(Request):
    """The settings for training a classifier."""

    classification: ClassificationConfig = ClassificationConfig()
    network: ClassifierNetworkConfig = ClassifierNetworkConfig()
    training: ClassifierTrainingConfig = ClassifierTrainingConfig()
