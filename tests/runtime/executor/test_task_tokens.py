"""Task tokens: nothing but ours is accepted, for its task alone, in its time, under the keys of now and before."""

from __future__ import annotations

import base64
import random
import secrets

import pytest

from express.runtime.executor.task_tokens import ExpiredToken, ForgedToken, TaskTokens, subject_digest

KEY, OLD, FOREIGN = (bytes([number]) * 32 for number in (1, 2, 3))


class Wall:
    """A wall clock that is set."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def refused(tokens: TaskTokens, token: str) -> bool:
    try:
        tokens.read(token)
    except ForgedToken:
        return True
    return False


def test_ours_are_read() -> None:
    """A token says what task it was made for; two for the same task differ; it is far below AWS's 2,048 characters."""
    tokens = TaskTokens([KEY], Wall())
    first, second = tokens.issue("arn:e/S#1/0"), tokens.issue("arn:e/S#1/0")

    assert tokens.read(first).subject == subject_digest("arn:e/S#1/0")
    assert first != second
    assert len(first) == 156
    assert "arn" not in base64.urlsafe_b64decode(first + "==").decode("latin-1")


def test_a_token_finds_its_execution() -> None:
    """The number of an execution in the journal is in its tokens, and can't be changed."""
    tokens = TaskTokens([KEY], Wall())

    assert tokens.read(tokens.issue("s", 1 << 40)).execution == 1 << 40
    assert tokens.read(tokens.issue("s")).execution == 0


def test_every_altered_bit_is_noticed() -> None:
    """No token with one bit or one character changed, cut or added is accepted."""
    tokens = TaskTokens([KEY], Wall())
    token = tokens.issue("s")
    raw = base64.urlsafe_b64decode(token + "==")
    for bit in range(len(raw) * 8):
        altered = bytearray(raw)
        altered[bit // 8] ^= 1 << bit % 8
        assert refused(tokens, base64.urlsafe_b64encode(altered).decode().rstrip("="))
    for other in (token[:-1], token + "A", token + "=", token.swapcase(), " " + token, token + "\n", "é" + token, ""):
        assert refused(tokens, other)
    last = [character for character in "ABCDEFGHIJKLMNOP" if character != token[-1]]
    assert all(refused(tokens, token[:-1] + character) for character in last)


def test_guesses_are_refused() -> None:
    """20,000 random tokens of the right form, half of them with our head: none is accepted (S11)."""
    tokens, chance = TaskTokens([KEY], Wall()), random.Random(7)
    head = base64.urlsafe_b64decode(tokens.issue("s") + "==")[:13]
    for number in range(20_000):
        raw = (head if number % 2 else chance.randbytes(13)) + chance.randbytes(96)
        assert refused(tokens, base64.urlsafe_b64encode(raw).decode().rstrip("="))


def test_keys_are_rotated() -> None:
    """What an older key has made is good while that key is known, and forged after; strangers' tokens always are."""
    wall = Wall()
    old = TaskTokens([OLD], wall).issue("s")
    both = TaskTokens([KEY, OLD], wall)

    assert both.read(old).subject == subject_digest("s")
    assert refused(TaskTokens([KEY], wall), old)
    assert refused(TaskTokens([OLD], wall), both.issue("s"))
    assert refused(both, TaskTokens([FOREIGN], wall).issue("s"))


def test_tokens_expire() -> None:
    """After its lifetime a token of ours is told from a forged one."""
    wall = Wall()
    tokens = TaskTokens([KEY], wall, lifetime=60)
    token = tokens.issue("s")
    wall.now += 61

    with pytest.raises(ExpiredToken):
        tokens.read(token)


@pytest.mark.parametrize("keys", [[], [b""], [b"k" * 31], [secrets.token_bytes(32), b"short"]])
def test_weak_keys_are_refused(keys: list[bytes]) -> None:
    """A key that could be guessed is none."""
    with pytest.raises(ValueError, match="32 bytes"):
        TaskTokens(keys, Wall())
