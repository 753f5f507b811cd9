"""What all requests have in common: strict types, and no field that is not known."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model, model_validator
from pydantic_core import PydanticCustomError

from charloom.errors import did_you_mean


def refused(message: str, field: str) -> PydanticCustomError:
    """What a validator raises: a sentence, and the field that it is about."""
    return PydanticCustomError("refused", "{message}", {"message": message, "field": field})


class StrictRequest(BaseModel):
    """A JSON object: nothing is coerced, NaN and infinities are refused, an unknown field is refused by name."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    name = key[:100].encode("utf-8", "backslashreplace").decode()  # JSON may hold half a surrogate pair
                    meant = did_you_mean(name, cls.model_fields)
                    raise refused(f"{name!r} is not a field of this request{meant}", name)
        return value


def bounded(kind: type[StrictRequest], bounds: Mapping[str, tuple[Any, Any]]) -> Any:
    """The same request with other types and bounds for some of its fields."""
    return create_model(kind.__name__, __base__=kind, __doc__=kind.__doc__, **bounds)  # type: ignore[call-overload]
