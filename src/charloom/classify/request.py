"""What a classifier's run is asked for."""

from dataclasses import dataclass

from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig
from charloom.training.request import Request


@dataclass(frozen=True)
class ClassifierRequest(Request):
    """The settings with which a classifier is to be trained."""

    classification: ClassificationConfig = ClassificationConfig()
    network: ClassifierNetworkConfig = ClassifierNetworkConfig()
    training: ClassifierTrainingConfig = ClassifierTrainingConfig()
