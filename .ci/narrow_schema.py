"""What our Terraform can use of QuickSight's types: narrow_schema.py SCHEMA.json FOLDER > NARROW.json

A dashboard's definition nests thousands of blocks, nine tenths of the whole schema, and every start of the provider
reads it. A block or argument stays if FOLDER's files say its name, or if it is required. A misspelt one has no place in
the narrow schema either.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any


def narrow(block: dict[str, Any], words: set[str]) -> dict[str, Any]:
    attributes = {
        name: narrow_attribute(attribute, words)
        for name, attribute in block.get("attributes", {}).items()
        if name in words or attribute.get("required") or attribute.get("computed")
    }
    blocks = {
        name: {**nested, "block": narrow(nested["block"], words)}
        for name, nested in block.get("block_types", {}).items()
        if name in words or nested.get("min_items")
    }
    return {**block, "attributes": attributes, "block_types": blocks}


def narrow_attribute(attribute: dict[str, Any], words: set[str]) -> dict[str, Any]:
    if "nested_type" not in attribute:
        return attribute
    return {**attribute, "nested_type": narrow(attribute["nested_type"], words)}


def main(schema_file: str, folder: str) -> None:
    schema = json.loads(Path(schema_file).read_text(encoding="utf-8"))
    words = {
        word for file in Path(folder).glob("*.tf") for word in re.findall(r"\w+", file.read_text(encoding="utf-8"))
    }
    for provider in schema["provider_schemas"].values():
        for name, kind in provider["resource_schemas"].items():
            if name.startswith("aws_quicksight_"):
                kind["block"] = narrow(kind["block"], words)
    json.dump(schema, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
