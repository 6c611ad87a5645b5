"""Life outside the house: a trained classifier as one ONNX file, a model card, and a stream of samples to a stream of labels.

Whoever only runs an exported model needs NumPy and onnxruntime: `Stream` imports nothing else, and torch waits in `network` until
something is exported.
"""

from m3n.export.stream import Decision, Stream

__all__ = ["Decision", "Stream"]
