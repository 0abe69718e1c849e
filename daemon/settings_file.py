"""Settings as text: the commented default file that `init` writes, and any settings as YAML."""

from __future__ import annotations

from io import StringIO
from typing import Any

from pydantic import BaseModel

from daemon.settings import Settings

_HEAD = """\
# Settings of one Harmonizer folder. Durations end in _s (seconds), sizes in _mb (1024 * 1024
# bytes). A setting can also come from the environment: HARMONIZER_INTAKE__QUIET_PERIOD_S=5
# Check this file with: harmonizer config check --config FILE
"""
_COMMENT_COLUMN = 36


def default_text(root: str) -> str:
    """Every setting with its default and its meaning, ready to be edited."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    document = CommentedMap()
    # constructed, not loaded: the environment of whoever runs `init` is nobody's default
    defaults = Settings.model_construct().model_dump(mode="json") | {"root": root}
    for name, field in Settings.model_fields.items():
        document[name] = defaults[name]
        if isinstance(field.default, BaseModel):
            document[name] = _section(type(field.default), defaults[name])
            heading = (type(field.default).__doc__ or "").strip()
            document.yaml_set_comment_before_after_key(name, before=f"\n{heading}")
        elif field.description:
            document.yaml_add_eol_comment(field.description, name, column=_COMMENT_COLUMN)
    stream = StringIO()
    yaml = YAML()
    yaml.width = 120
    yaml.representer.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "")
    )
    yaml.dump(document, stream)
    return _HEAD + stream.getvalue()


def as_yaml(values: dict[str, Any]) -> str:
    """Plain values as YAML, in their order."""
    from ruamel.yaml import YAML

    stream = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(values, stream)
    return stream.getvalue()


def _section(model: type[BaseModel], values: dict[str, Any]) -> Any:
    from ruamel.yaml.comments import CommentedMap

    section = CommentedMap()
    for name, field in model.model_fields.items():
        section[name] = values[name]
        if field.description:
            section.yaml_add_eol_comment(field.description, name, column=_COMMENT_COLUMN)
    return section
