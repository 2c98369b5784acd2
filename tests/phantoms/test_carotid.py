"""Carotid phantoms: speckle obeys its statistics, the truth lies on the wall, frames of a video belong together."""

import numpy as np
import pytest
from scipy import ndimage, stats

from modelsgenesis.errors import UsageError
from modelsgenesis.phantoms.carotid import LABELS, Video, carotid_video
from modelsgenesis.phantoms.ultrasound import Probe, compressed, envelope, scatterers


@pytest.fixture(scope="module")
def videos() -> list[Video]:
    return [carotid_video(np.random.default_rng(seed), 3) for seed in range(6)]


def test_types_and_shapes(videos: list[Video]) -> None:
    for video in videos:
        assert video.frames.dtype == np.uint8
        assert video.frames.shape == (3, 224, 160)
        assert video.li.shape == video.ma.shape == (3, 224)
        assert len(video.regions) == 3
        assert 22 <= video.spacing * 160 <= 28


def test_deterministic_and_varied(videos: list[Video]) -> None:
    again = carotid_video(np.random.default_rng(0), 3)
    np.testing.assert_array_equal(again.frames, videos[0].frames)
    np.testing.assert_array_equal(again.li, videos[0].li)
    assert again.regions == videos[0].regions
    assert np.abs(videos[0].frames.astype(int) - videos[1].frames).mean() > 10


def test_one_look_at_homogeneous_tissue_is_rayleigh() -> None:
    """Mean over deviation is 1.913, skewness 0.631, and the distribution function fits (independent samples)."""
    spacing, probe = 0.15, Probe(looks=1)
    whole = [envelope(scatterers(np.random.default_rng(i), (256, 200)), spacing, probe) for i in range(6)]
    samples = np.concatenate([e[::24, ::8].ravel() for e in whole])  # further apart than the point spread
    assert np.mean(samples**2) == pytest.approx(1, abs=0.1)
    assert samples.mean() / samples.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), abs=0.15)
    assert stats.skew(samples) == pytest.approx(0.631, abs=0.2)
    assert stats.kstest(samples, stats.rayleigh(scale=np.sqrt(0.5)).cdf).statistic < 0.04


def test_compounding_makes_speckle_less_grainy() -> None:
    field = scatterers(np.random.default_rng(0), (256, 200))
    contrast = [e.std() / e.mean() for e in (envelope(field, 0.15, Probe(looks=n)) for n in (1, 3, 5))]
    assert contrast[0] > contrast[1] > contrast[2]


def test_the_beam_widens_off_the_focus() -> None:
    """Grains of speckle are longer across at 2 mm than at the focus of 15 mm."""
    got = envelope(scatterers(np.random.default_rng(0), (1024, 200)), 0.15, Probe(focus=15, spread=2.0))

    def grain(row: int) -> float:
        line = got[:, row] - got[:, row].mean()
        return float(np.mean(line[:-3] * line[3:]) / np.mean(line * line))

    assert np.mean([grain(row) for row in range(8, 18)]) > np.mean([grain(row) for row in range(95, 105)]) + 0.1


def test_compression_spans_the_dynamic_range() -> None:
    levels = compressed(np.array([[1.0, 10**-1.2, 10**-3, 0.0]], dtype=np.float32), gain=0, dynamic=60)
    np.testing.assert_array_equal(levels, [[255, 153, 0, 0]])


def test_intima_lies_above_adventitia_by_a_real_thickness(videos: list[Video]) -> None:
    for video in videos:
        thick = (video.ma - video.li) * video.spacing
        assert thick.min() > 0.25
        assert np.median(thick) < 2.2
        assert (video.li > 20).all()
        assert (video.ma < 160).all()


def test_the_adventitia_is_bright_and_the_lumen_dark(videos: list[Video]) -> None:
    for video in videos:
        for frame, li, ma in zip(video.frames, video.li, video.ma, strict=True):
            columns = np.arange(224)
            below = ndimage.map_coordinates(frame, (columns, ma + 0.25 / video.spacing), order=1)
            above = ndimage.map_coordinates(frame, (columns, li - 1.0 / video.spacing), order=1)
            assert below.mean() > above.mean() + 40


def test_a_clear_region_shows_the_double_line(videos: list[Video]) -> None:
    """At a region of interest the media is darker than the intima above it and the adventitia below it."""
    darker = []
    for video in videos:
        for number, regions in enumerate(video.regions):
            for region in (r for r in regions if r.label == "roi"):
                columns = np.arange(int(region.x) - 4, int(region.x) + 5)
                li, ma = video.li[number][columns], video.ma[number][columns]
                profile = [
                    ndimage.map_coordinates(video.frames[number].astype(float), (columns, depth), order=1).mean()
                    for depth in (li + 0.1 / video.spacing, li + 0.6 * (ma - li), ma + 0.25 / video.spacing)
                ]
                darker.append(profile[1] < min(profile[0], profile[2]))
    assert len(darker) >= 12
    assert np.mean(darker) > 0.8


def test_regions_lie_where_their_label_says(videos: list[Video]) -> None:
    seen = set()
    for video in videos:
        for number, regions in enumerate(video.regions):
            special = [(r.x, r.y) for r in regions if r.label != "background"]
            for region in regions:
                seen.add(region.label)
                li, ma = (float(b[number][int(region.x)]) for b in (video.li, video.ma))
                assert 0 <= region.x < 224
                assert 0 <= region.y < 160
                if region.label == "roi":
                    assert li < region.y < ma
                if region.label == "bulb":
                    assert li - 4 / video.spacing < region.y < li
                if region.label == "background":
                    assert min(np.hypot(region.x - x, region.y - y) for x, y in special) * video.spacing > 4
    assert seen == set(LABELS)


def test_frames_of_a_video_belong_together(videos: list[Video]) -> None:
    def likeness(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1])

    same = [likeness(v.frames[0], v.frames[1]) for v in videos]
    other = [likeness(a.frames[0], b.frames[0]) for a in videos for b in videos if a is not b]
    assert min(same) > max(other)
    assert all(not np.array_equal(v.frames[0], v.frames[1]) for v in videos)


def test_the_vessel_pulsates(videos: list[Video]) -> None:
    assert np.mean([np.ptp(v.li.mean(axis=1)) for v in videos]) > 0.2


@pytest.mark.parametrize(("frames", "shape"), [(0, (64, 64)), (1, (64, 8)), (1, (64,))])
def test_bad_sizes_are_refused(frames: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="carotid phantom"):
        carotid_video(np.random.default_rng(0), frames, shape)
