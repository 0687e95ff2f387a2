"""`make drill`: the containers of compose.scale.yaml, each killed in turn while clients look on; docs/scale.md."""
