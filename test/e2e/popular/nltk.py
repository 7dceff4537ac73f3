# /// script
# dependencies = ["nltk"]
# ///
import nltk
from nltk.stem import PorterStemmer
from nltk.tokenize import wordpunct_tokenize


def operate():
    words = wordpunct_tokenize("The quick brown foxes were jumping, lazily.")
    grammar = nltk.CFG.fromstring("S -> N V\nN -> 'foxes'\nV -> 'jump'")
    tree = next(nltk.ChartParser(grammar).parse(["foxes", "jump"]))
    return [words, [PorterStemmer().stem(word) for word in words], str(tree), nltk.FreqDist("aab").most_common()]
