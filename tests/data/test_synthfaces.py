"""The built-in portraits: what depends on what, and whether masks and twins tell the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.data import synthfaces
from rightreasons.data.synthfaces import ATTRIBUTES, MASKS, SWITCHABLE, render, switch
from rightreasons.data.synthfaces.canvas import Canvas, Frame, cover, ellipse, polygon
from rightreasons.data.synthfaces.portrait import paint

NECKTIE_ROI = (0.22, 0.80, 0.75, 0.94)
HAT_ROI = (0.13, 0.09, 0.80, 0.31)


@pytest.fixture(scope="module")
def latents() -> pd.DataFrame:
    return synthfaces.sample_latents(120, seed=3)


@pytest.fixture(scope="module")
def rendered(latents: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return render(latents, 64)


def bit(masks: np.ndarray, name: str) -> np.ndarray:
    return (masks >> MASKS.index(name)) & 1 == 1


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The mask and all pixels at most so many steps away, diagonals included."""
    for axis in (0, 1):
        padded = np.pad(mask, [(pixels, pixels) if a == axis else (0, 0) for a in (0, 1)])
        shifts = [np.roll(padded, step, axis) for step in range(-pixels, pixels + 1)]
        mask = np.any(shifts, axis=0).take(range(pixels, padded.shape[axis] - pixels), axis)
    return mask


def clean(row_of: pd.DataFrame, size: int = 64) -> Canvas:
    return paint(next(row_of.itertuples(index=False)), size)


def test_latents_depend_on_seed_and_position_only(latents: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(synthfaces.sample_latents(120, 3), latents)
    pd.testing.assert_frame_equal(synthfaces.sample_latents(10, 3), latents.head(10))
    other = synthfaces.sample_latents(120, 4)
    assert not np.isclose(other["yaw"], latents["yaw"]).any()
    assert len(synthfaces.sample_latents(0, 3)) == 0


def test_latents_have_valid_ranges(latents: pd.DataFrame) -> None:
    for attribute in ATTRIBUTES:
        assert latents[attribute].dtype == np.int8
        assert latents[attribute].isin((0, 1)).all()
    assert latents["Skin_Tone"].dtype == np.int8
    assert latents["Skin_Tone"].between(1, 10).all()
    assert latents["smile"].between(0, 1).all()
    assert (latents["Smiling"] == (latents["smile"] > 0.5)).all()
    assert not latents.isna().any(axis=None)


@pytest.mark.parametrize(
    ("attribute", "share"),
    [
        ("Smiling", 0.5),
        ("Wearing_Necktie", 0.3),
        ("Wearing_Hat", 0.25),
        ("Eyeglasses", 0.25),
        ("Blond_Hair", 0.2),
        ("Male", 0.46),
    ],
)
def test_marginal_frequencies(attribute: str, share: float) -> None:
    assert synthfaces.sample_latents(20_000, 0)[attribute].mean() == pytest.approx(share, abs=0.03)


def test_joint_distribution_is_plausible_and_can_be_rebalanced() -> None:
    table = synthfaces.sample_latents(20_000, 1)
    for protected in ("Wearing_Necktie", "Wearing_Hat"):
        cells = pd.crosstab(table["Smiling"], table[protected], normalize=True)
        assert cells.to_numpy().min() > 0.08
    by_gender = table.groupby("Male")["Wearing_Necktie"].mean()
    assert by_gender[1] > 5 * by_gender[0]
    assert table["Skin_Tone"].nunique() == 10
    dark = table["Skin_Tone"] >= 8
    assert table.loc[dark, "Blond_Hair"].mean() < 0.1 < table.loc[~dark, "Blond_Hair"].mean()
    ambiguous = (table["smile"] - 0.5).abs() < 0.1
    assert 0.06 < ambiguous.mean() < 0.3


def test_render_is_deterministic_and_independent_of_the_batch(
    latents: pd.DataFrame, rendered: tuple[np.ndarray, np.ndarray]
) -> None:
    images, masks = rendered
    some = [17, 3, 99]
    again, again_masks = render(latents.iloc[some], 64)
    np.testing.assert_array_equal(again, images[some])
    np.testing.assert_array_equal(again_masks, masks[some])


@pytest.mark.parametrize("size", [16, 33, 64, 224])
def test_shapes_and_types_at_any_size(latents: pd.DataFrame, size: int) -> None:
    images, masks = render(latents.head(3), size)
    assert images.shape == (3, size, size, 3)
    assert masks.shape == (3, size, size)
    assert images.dtype == masks.dtype == np.uint8
    assert masks.max() < 1 << len(MASKS)
    assert images.std(axis=(1, 2, 3)).min() > 5
    empty, no_masks = render(latents.head(0), size)
    assert empty.shape == (0, size, size, 3)
    assert no_masks.shape == (0, size, size)


@pytest.mark.parametrize("attribute", ["Wearing_Necktie", "Wearing_Hat", "Eyeglasses"])
def test_masks_agree_with_attributes(
    latents: pd.DataFrame, rendered: tuple[np.ndarray, np.ndarray], attribute: str
) -> None:
    areas = bit(rendered[1], attribute).sum(axis=(1, 2))
    np.testing.assert_array_equal(areas > 0, latents[attribute] == 1)
    assert areas[areas > 0].min() >= 20


def test_every_portrait_shows_hair_and_mouth(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    for name in ("Hair", "Mouth"):
        assert bit(rendered[1], name).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("attribute", "roi", "least"),
    [("Wearing_Necktie", NECKTIE_ROI, 0.65), ("Wearing_Hat", HAT_ROI, 0.80)],
)
def test_published_regions_hold_most_of_the_masks(
    rendered: tuple[np.ndarray, np.ndarray],
    attribute: str,
    roi: tuple[float, float, float, float],
    least: float,
) -> None:
    mask = bit(rendered[1], attribute)
    centres = (np.arange(64) + 0.5) / 64
    x0, y0, x1, y1 = roi
    inside = ((centres >= y0) & (centres < y1))[:, None] & ((centres >= x0) & (centres < x1))
    assert mask[:, inside].sum() / mask.sum() > least


def test_masks_lie_at_the_same_place_at_any_size(latents: pd.DataFrame) -> None:
    small, large = (render(latents.head(25), size)[1] for size in (64, 192))
    for name in MASKS:
        for few, many in zip(bit(small, name), bit(large, name), strict=True):
            assert few.any() == many.any()
            if few.any():
                places = [np.argwhere(m).mean(axis=0) / len(m) for m in (few, many)]
                np.testing.assert_allclose(*places, atol=0.03)
                assert few.mean() == pytest.approx(many.mean(), rel=0.5, abs=0.005)


@pytest.mark.parametrize("attribute", SWITCHABLE)
def test_twins_differ_in_one_attribute(latents: pd.DataFrame, attribute: str) -> None:
    twins = switch(latents, attribute)
    changed = {name for name in latents if not twins[name].equals(latents[name])}
    assert changed == {attribute, "smile"} if attribute == "Smiling" else {attribute}
    assert (twins[attribute] + latents[attribute] == 1).all()
    assert (twins["Smiling"] == (twins["smile"] > 0.5)).all()
    pd.testing.assert_frame_equal(switch(twins, attribute), latents)
    assert (
        (render(twins.head(8), 64)[0] != render(latents.head(8), 64)[0]).any(axis=(1, 2, 3)).all()
    )


# Where a twin may differ: in the masks of both, and so many pixels around (64 px images).
_REACH = {
    "Wearing_Necktie": (("Wearing_Necktie",), 1),
    "Wearing_Hat": (("Wearing_Hat", "Hair"), 5),  # the hat flattens hair and shades the brow
    "Eyeglasses": (("Eyeglasses",), 0),
}


@pytest.mark.parametrize("attribute", list(_REACH))
def test_clean_twins_are_equal_outside_the_masks(latents: pd.DataFrame, attribute: str) -> None:
    names, reach = _REACH[attribute]
    twins = switch(latents, attribute)
    for i in range(40):
        first, second = clean(latents.iloc[[i]]), clean(twins.iloc[[i]])
        touched = np.any([bit(c.masks, n) for c in (first, second) for n in names], axis=0)
        outside = ~grown(touched, reach)
        np.testing.assert_array_equal(first.rgb[:, outside], second.rgb[:, outside])
        assert (first.rgb != second.rgb).any()


def test_blond_twins_differ_in_the_hair(latents: pd.DataFrame) -> None:
    """Beyond the mask, only where each layer of hair covers less than half of a pixel."""
    twins = switch(latents, "Blond_Hair")
    for i in range(40):
        first, second = clean(latents.iloc[[i]]), clean(twins.iloc[[i]])
        change = np.abs(first.rgb - second.rgb).max(axis=0)
        hair = bit(first.masks, "Hair")
        np.testing.assert_array_equal(hair, bit(second.masks, "Hair"))
        assert change[~hair].max() < 0.76 * change[hair].max()
        assert change[hair].min() > 0


@pytest.mark.parametrize("attribute", ["Smiling", "Young"])
def test_expression_and_age_leave_surroundings_alone(latents: pd.DataFrame, attribute: str) -> None:
    """Beyond the head nothing changes, but that hair turns grey with age."""
    latents = latents.assign(grey=0.0)
    twins = switch(latents, attribute)
    for i in range(20):
        first, second = clean(latents.iloc[[i]]), clean(twins.iloc[[i]])
        rows, cols = np.nonzero((first.rgb != second.rgb).any(axis=0))
        assert rows.min() > 0.15 * 64
        assert rows.max() < 0.85 * 64
        assert cols.min() > 0.2 * 64
        assert cols.max() < 0.78 * 64


def test_twins_have_the_same_noise(latents: pd.DataFrame) -> None:
    """Far from the tie, photographs of twins differ by no more than JPEG's blocks do."""
    latents = latents.head(20).assign(jpeg_quality=95.0)
    far = np.s_[:, :28]
    first, second = (
        render(table, 64)[0].astype(int) for table in (latents, switch(latents, "Wearing_Necktie"))
    )
    reseeded = render(latents.assign(noise_seed=latents["noise_seed"] + 1), 64)[0].astype(int)
    assert np.abs(first - second)[far].max() == 0
    assert np.abs(first - reseeded)[far].mean() > 1


def test_smile_strength_moves_the_mouth_more_the_stronger_it_is(latents: pd.DataFrame) -> None:
    row = latents.iloc[[0]].assign(Wearing_Hat=0, beard=0)
    pictures = [clean(row.assign(smile=smile)).rgb for smile in (0.1, 0.3, 0.5, 0.9)]
    changes = [np.abs(picture - pictures[0]).mean() for picture in pictures]
    assert changes == sorted(changes)
    assert changes[1] > 0


@pytest.mark.parametrize("attribute", ["smile", "Bald", ""])
def test_unknown_attribute_is_refused(latents: pd.DataFrame, attribute: str) -> None:
    with pytest.raises(UserError, match="Wearing_Necktie"):
        switch(latents, attribute)


@pytest.mark.parametrize(("n_images", "seed"), [(-1, 0), (2, -1), (1.5, 0), (2, True)])
def test_bad_numbers_are_refused(n_images: int, seed: int) -> None:
    with pytest.raises(UserError, match="integer of at least 0"):
        synthfaces.sample_latents(n_images, seed)


@pytest.mark.parametrize("size", [0, 15, 64.0])
def test_bad_size_is_refused(latents: pd.DataFrame, size: int) -> None:
    with pytest.raises(UserError, match="at least 16"):
        render(latents, size)


def test_missing_latents_are_named(latents: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="yaw"):
        render(latents.drop(columns="yaw"), 64)


def test_coverage_is_the_area_of_a_shape() -> None:
    """Antialiased area of an ellipse and a triangle against their formulas."""
    frame = Frame(200, (0.5, 0.5), degrees=20.0, scale=1.5)
    view = frame.view(-0.3, -0.3, 0.3, 0.3)
    pixel = view.px**2
    oval = cover(ellipse(view.x, view.y, 0.2, 0.1), view.px).sum() * pixel
    assert oval == pytest.approx(np.pi * 0.2 * 0.1, rel=0.01)
    triangle = polygon(view.x, view.y, (0.0, -0.2), (0.2, 0.2), (-0.2, 0.2))
    assert cover(triangle, view.px).sum() * pixel == pytest.approx(0.08, rel=0.01)
    assert frame.to_image(0.0, 0.0) == (0.5, 0.5)


def test_crop_of_a_view_is_the_view_of_the_crop() -> None:
    frame = Frame(64, (0.5, 0.5), degrees=-7.0, scale=0.9)
    part = frame.crop(frame.view(-0.3, -0.3, 0.3, 0.3), -0.1, -0.2, 0.1, 0.0)
    alone = frame.view(-0.1, -0.2, 0.1, 0.0)
    assert (part.rows, part.cols) == (alone.rows, alone.cols)
    np.testing.assert_array_equal(part.x, alone.x)
    np.testing.assert_array_equal(part.y, alone.y)
