"""What the seeds of a study say: means, paired differences, and what they could not have told apart.

The intervals are Student's, of 95 %; runs of one seed are a pair, because they share data order and initial weights as
far as their layers agree. scipy computes all but Holm's step-down (S. Holm, A simple sequentially rejective multiple
test procedure, Scandinavian Journal of Statistics 6, 1979, 65-70).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sample:
    """Values of several seeds: their mean, and the interval of the mean; None where there are fewer than two."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def half_width(self) -> float | None:
        """Half the interval: a mean nearer to zero than this cannot be told from it."""
        count = len(self.values)
        if count < 2:
            return None
        if not all(map(math.isfinite, self.values)):
            return math.nan
        return float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * math.sqrt(variance(self.values) / count)

    @property
    def interval(self) -> tuple[float, float] | None:
        half = self.half_width
        return None if half is None else (self.mean - half, self.mean + half)

    def text(self, digits: int) -> str:
        """As tables show it, the mean and half its interval: '57.8 ± 1.2'; of one value alone '57.8'."""
        half = '' if self.half_width is None else f' ± {self.half_width:.{digits}f}'
        return f'{self.mean:.{digits}f}{half}'


@dataclass(frozen=True)
class Comparison:
    """A method against the baseline, over the seeds that both have.

    Args:
        difference: by seed; positive is better, whichever way the metric runs.
        wins: seeds for which the method is better.
        losses: seeds for which it is worse; the rest are ties, which the sign test leaves out.
        t: p of the paired t test, two-sided; None where there are fewer than two seeds, a run diverged, or every
            difference is the same, which has no spread to be tested by.
        sign: p of the exact sign test, two-sided; None where there are fewer than two seeds.
    """

    difference: Sample
    wins: int
    losses: int
    t: float | None
    sign: float | None


def compare(method: Mapping[int, float], baseline: Mapping[int, float], higher_is_better: bool) -> Comparison | None:
    """Compares two rows of values by seed; None where they have no seed in common.

    A run that ended in NaN or infinity loses to one that did not, and there is no t test of a row that has one.
    """
    way = 1 if higher_is_better else -1
    differences, wins, losses = [], 0, 0
    for seed in sorted(method.keys() & baseline.keys()):
        ours, theirs = method[seed], baseline[seed]
        ended, other = math.isfinite(ours), math.isfinite(theirs)
        # values are decimals of a few digits: without rounding, equal ones could differ in the last bit
        differences.append(round(way * (ours - theirs), 9) if ended and other else math.nan)
        wins += ended > other or differences[-1] > 0
        losses += other > ended or differences[-1] < 0
    if not differences:
        return None
    t = sign = None
    if len(differences) > 1:
        sign = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    if len(differences) > 1 and not any(map(math.isnan, differences)):
        if len(set(differences)) > 1:
            t = float(stats.ttest_1samp(differences, 0).pvalue)
        elif not differences[0]:
            t = 1.0
    return Comparison(Sample(tuple(differences)), wins, losses, t, sign)


def holm(values: Sequence[float]) -> list[float]:
    """Adjusts p values so that a false claim among all of them stays as unlikely as each says."""
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = largest
    return adjusted


def smallest_sign_p(seeds: int) -> float:
    """What the sign test gives where every seed is better, or every one worse."""
    return float(stats.binomtest(0, seeds).pvalue)
