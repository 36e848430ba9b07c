"""What happens in front of a camera, on a network stream, or in a file at its own speed.

from stillmotion.data.live import Live

with Live("camera") as live:
    for seen in watch(Watcher(stillmotion.load("runs/doors")), live):
        print(seen.seconds, seen.answer)
"""

from stillmotion.watching.pace import Pace, usual_pace
from stillmotion.watching.watch import Seen, watch
from stillmotion.watching.watcher import Watcher, usual_context

__all__ = ["Pace", "Seen", "Watcher", "usual_context", "usual_pace", "watch"]
