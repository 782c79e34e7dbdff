"""The sentiment analysis of BentoML's page "Using Runners", as it stands there.

What differs: where NLTK's download is not to be had, the lexicon is that of the
package vaderSentiment, which is the same file, and sentences are split by an
untrained Punkt.
"""

from statistics import mean

import bentoml
import nltk
from bentoml.io import JSON, Text
from nltk.sentiment import SentimentIntensityAnalyzer


class NLTKSentimentAnalysisRunnable(bentoml.Runnable):

    SUPPORT_NVIDIA_GPU = False
    SUPPORT_CPU_MULTI_THREADING = False

    def __init__(self):
        if nltk.download("vader_lexicon") and nltk.download("punkt_tab"):
            self.sia = SentimentIntensityAnalyzer()
            self.sentences = nltk.sent_tokenize
            return
        import vaderSentiment
        from nltk.tokenize.punkt import PunktSentenceTokenizer

        nltk.data.path.extend(vaderSentiment.__path__)
        self.sia = SentimentIntensityAnalyzer(lexicon_file="vader_lexicon.txt")
        self.sentences = PunktSentenceTokenizer().tokenize

    @bentoml.Runnable.method(batchable=False)
    def is_positive(self, input_text):
        scores = [self.sia.polarity_scores(sentence)["compound"] for sentence in self.sentences(input_text)]
        return mean(scores) > 0


nltk_runner = bentoml.Runner(NLTKSentimentAnalysisRunnable)

svc = bentoml.Service("sentiment_analyzer", runners=[nltk_runner])


@svc.api(input=Text(), output=JSON())
def analysis(input_text):
    is_positive = nltk_runner.is_positive.run(input_text)
    return {"is_positive": is_positive}
