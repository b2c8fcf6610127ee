"""What every record of the directory has in common."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Something that is configured: frozen, and without fields that nobody knows."""

    # What an error quotes may be a secret.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
