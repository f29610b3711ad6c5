"""Boxes to crop images by: a csv of them is read (`reading`), or made by a detector.

detectors    networks that find boxes: BlazeFace, and ONNX files of known layouts (`layouts`)
detecting    every image of a project once, in threads, resumable
choosing     one box an image, and the csv
tflite       BlazeFace's file as a graph; `onnxfile` writes it as ONNX
"""
