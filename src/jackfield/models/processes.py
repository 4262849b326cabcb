from __future__ import annotations

from jackfield.models.model import Model


class ProcessesModel(Model):
    name = "processes"
