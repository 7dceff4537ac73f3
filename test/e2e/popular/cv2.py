# /// script
# dependencies = ["opencv-python-headless"]
# ///
import hashlib

import cv2
import numpy


def operate():
    image = numpy.zeros((480, 640, 3), numpy.uint8)
    cv2.circle(image, (320, 240), 100, (255, 128, 0), -1)
    small = cv2.resize(cv2.GaussianBlur(image, (9, 9), 0), (160, 120), interpolation=cv2.INTER_AREA)
    found, _tree = cv2.findContours(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [len(found), cv2.contourArea(found[0]), hashlib.sha256(small.tobytes()).hexdigest()]
