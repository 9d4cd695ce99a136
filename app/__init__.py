"""Pictures from trained models: the sampler, the command line on it and the browser app (`python -m app`)."""

import os

# Before anything imports Gradio or huggingface_hub, which read them then: no telemetry, no look-up of versions.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
