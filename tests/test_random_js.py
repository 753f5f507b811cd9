"""The playground's random numbers are numpy's."""

import numpy as np
import pytest

from javascript import in_node

SEEDS = (0, 1, 2**32 - 1, 2**63, 2**64 + 5, 2**200 + 17)


def numbers(seed: int, skipped: int, count: int) -> list[float]:
    return in_node(
        """
        const { Pcg64 } = await import(`${site}/random.js`);
        const [seed, skipped, count] = given;
        const uniform = new Pcg64(BigInt(seed)).advance(BigInt(skipped));
        console.log(JSON.stringify(Array.from({ length: count }, () => uniform.random())));
        """,
        str(seed),
        str(skipped),
        count,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_gives_the_same_numbers_as_in_numpy(seed: int) -> None:
    expected = np.random.Generator(np.random.PCG64(seed)).random(1000)
    assert numbers(seed, 0, 1000) == expected.tolist()


@pytest.mark.parametrize("skipped", [1, 999, 2**64 + 3, 2**127])
def test_skipped_numbers_are_those_that_numpy_skips(skipped: int) -> None:
    bits = np.random.PCG64(7)
    bits.advance(skipped)
    assert numbers(7, skipped, 10) == np.random.Generator(bits).random(10).tolist()


def test_a_number_may_be_given_in_place_of_a_big_integer() -> None:
    assert in_node(
        """
        const { Pcg64 } = await import(`${site}/random.js`);
        console.log(JSON.stringify([0, 42].map((seed) => new Pcg64(seed).random())));
        """
    ) == [np.random.Generator(np.random.PCG64(seed)).random() for seed in (0, 42)]


def test_a_text_has_used_up_the_numbers_of_its_last_character_too() -> None:
    script = """
        const { drawsAfter } = await import(`${site}/story.js`);
        console.log(JSON.stringify(given[0].map(drawsAfter)));
    """
    assert in_node(script, [[], [{"number": 4, "used": 1}], [{"number": 4, "used": 3}]]) == [0, 5, 7]
