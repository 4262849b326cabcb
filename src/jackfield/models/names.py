"""The models by name."""

from __future__ import annotations

from typing import Literal

from jackfield.models.asyncio import AsyncioModel
from jackfield.models.inline import InlineModel
from jackfield.models.model import Model
from jackfield.models.processes import ProcessesModel
from jackfield.models.threads import ThreadsModel

ModelName = Literal["asyncio", "threads", "processes", "inline"]

MODELS: dict[str, type[Model]] = {
    model.name: model for model in (AsyncioModel, ThreadsModel, ProcessesModel, InlineModel)
}
