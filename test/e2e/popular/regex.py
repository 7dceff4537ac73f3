# /// script
# dependencies = ["regex"]
# ///
import regex


def operate():
    found = regex.findall(r"(?V1)[\p{Lu}--[QW]]\p{Ll}+", "Ada Quinn Wim Éva")
    return [found, bool(regex.fullmatch(r"(?:fuzzy){e<=1}", "fuzy")), regex.sub(r"(?<=a+)b", "c", "aab")]
