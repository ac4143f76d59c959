"""The rater: a widget that shows one frame at a time and keeps every answer."""

from pathlib import Path

import anywidget
import traitlets

from cmrkit.audit.answers import (
    CONFIDENCES,
    INSTRUCTION,
    REASONS,
    AnswerLog,
    ChangedElsewhere,
    ReadingList,
)

HERE = Path(__file__).parent


class Rater(anywidget.AnyWidget):
    """Read an observer's frames in JupyterLab.

    The browser shows a frame and sends the answer; the next frame goes out when the answer is on
    disk. An answer names its frame, so that a second key, or a second window, cannot answer the
    next one. Opened again, it goes on at the first frame without an answer.

    Args:
        folder: the observer's folder, from `reading.write_reading`.

    Raises:
        FileNotFoundError, ValueError: see `answers.ReadingList` and `answers.AnswerLog`.
    """

    _esm = HERE / "rater.js"
    _css = HERE / "rater.css"
    frame = traitlets.Bytes().tag(sync=True)  # [R, R] uint8
    cine = traitlets.Bytes().tag(sync=True)  # [phases, R, R] uint8
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, folder):
        super().__init__()
        self._reading = ReadingList(folder)
        self._log = AnswerLog(self._reading)
        self._shown = 0
        self.on_msg(self._receive)
        self._show()

    def __repr__(self):
        """What a printed notebook shows in place of the widget."""
        frames = len(self._reading.images)
        return f"Rater of {self._reading.observer}, {frames} frames; open it in JupyterLab"

    @property
    def _item(self):
        """The frame to answer next, from 1."""
        return len(self._log.answers) + 1

    def _show(self, note="", earlier=None):
        done = self._item > len(self._reading.images)
        self._shown += 1
        image = self._reading.images[:0] if done else self._reading.images[self._item - 1]
        cine = self._reading.cine(self._item)
        with self.hold_sync():
            self.frame, self.cine = image.tobytes(), cine.tobytes()
            self.state = {
                "item": self._item,
                "shown": self._shown,
                "total": len(self._reading.images),
                "side": self._reading.images.shape[1],
                "phases": len(cine),
                "done": done,
                "ask_real": self._reading.ask_real,
                "instruction": INSTRUCTION,
                "reasons": list(REASONS),
                "earlier": earlier or {},
                "observer": self._reading.observer,
                "file": self._log.path.name,
                "note": note,
            }

    def _receive(self, _widget, content, _buffers):
        if content.get("item") != self._item or content.get("shown") != self._shown:
            return  # meant for a frame that is no longer shown
        try:
            if content["kind"] == "undo":
                earlier = self._log.answers[-1] if self._log.answers else None
                self._log.undo()
                self._show(earlier=earlier)
            else:
                self._log.add(_checked(content["answer"], self._reading.ask_real))
                self._show()
        except (ChangedElsewhere, OSError, ValueError) as error:
            self._show(f"Not saved: {error}. Please answer this frame.")


def _checked(answer, ask_real):
    """The answer, refused where a question is open."""
    asked = ("plausible", "real") if ask_real else ("plausible",)
    for question in asked:
        if not isinstance(answer[question], bool):
            raise ValueError(f"{question}: no answer")
    if answer["confidence"] not in CONFIDENCES:
        raise ValueError(f"confidence: {answer['confidence']!r}, choose 1, 2 or 3")
    reason = answer["reason"] if answer["reason"] in REASONS and not answer["plausible"] else ""
    return {
        "plausible": answer["plausible"],
        "real": answer["real"] if ask_real else None,
        "reason": reason,
        "confidence": answer["confidence"],
        "reaction_s": round(float(answer["reaction_s"]), 3),
    }
