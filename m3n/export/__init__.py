"""Trained classifiers outside m3n: one ONNX file, a model card, and a stream from samples to labels.

Running an exported model needs NumPy and onnxruntime alone: `Stream` imports nothing else, and torch is imported only by
`network`, for the export itself.
"""

from m3n.export.stream import Decision, Stream

__all__ = ["Decision", "Stream"]
