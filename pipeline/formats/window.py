"""The text that was read and not yet consumed. It grows only as far as one record needs."""

from __future__ import annotations

from collections.abc import Iterator


class Window:
    """A stretch of UTF-8 text of a file, moving forward.

    data: the text at hand, beginning with the first byte not consumed. complete: nothing follows.
    """

    def __init__(self, chunks: Iterator[bytes], block_bytes: int) -> None:
        self.data = b""
        self.complete = False
        self._chunks = chunks
        self._block_bytes = block_bytes

    def grow(self) -> None:
        """Read on until a block is at hand, or twice what was, or the file is complete."""
        length = len(self.data)
        wanted = self._block_bytes if length < self._block_bytes else 2 * length
        pieces = [self.data]
        while length < wanted:
            piece = next(self._chunks, None)
            if piece is None:
                self.complete = True
                break
            pieces.append(piece)
            length += len(piece)
        self.data = b"".join(pieces)

    def drop(self, length: int) -> None:
        """Consume the first `length` bytes."""
        self.data = self.data[length:]

    def whole_lines(self, longest_bytes: int) -> int | None:
        """Offset behind the last line of the next block; 0 at the end of the file.

        None when no line ends within `longest_bytes`.
        """
        if len(self.data) < self._block_bytes and not self.complete:
            self.grow()
        while True:
            if self.complete and len(self.data) <= 2 * self._block_bytes:
                return len(self.data)
            end = self._line_end()
            if end or self.complete:
                return end or len(self.data)
            if len(self.data) > longest_bytes:
                return None
            self.grow()

    def _line_end(self) -> int:
        """Offset behind the last line end within about a block, or else behind the first one."""
        data, usable = self.data, len(self.data)
        if not self.complete and data.endswith(b"\r"):
            usable -= 1  # it may be the first half of \r\n
        limit = min(usable, self._block_bytes)
        last = max(data.rfind(b"\n", 0, limit), data.rfind(b"\r", 0, limit))
        if last < 0:
            ends = (data.find(b"\n", 0, usable), data.find(b"\r", 0, usable))
            last = min((at for at in ends if at >= 0), default=-1)
        if last >= 0 and data[last : last + 2] == b"\r\n":
            last += 1
        return last + 1
