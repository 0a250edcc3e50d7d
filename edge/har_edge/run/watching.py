"""What a run and a server make of the settings about zones, falls and privacy."""

from __future__ import annotations

from collections.abc import Collection

from har_edge.config import DecideConfig, Private, SceneConfig, SinkConfig
from har_edge.errors import ConfigError
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_edge.people.locate import PeopleParts
from har_edge.people.privacy import PrivacyCover
from har_edge.people.track import MAX_TRACKS
from har_edge.recognition.events import EventTracker
from har_edge.recognition.scene import Scene
from har_edge.recognition.zones_file import ZonesFile, check_sources, read_zones_file
from har_edge.say import Say

COVERED = {
    "skeletons": "skeletons on black; no pixel of a source leaves this process",
    "blur": "blurred people; whoever is not found stays visible",
}
_FIND_PEOPLE = "Use a model that finds people, or add --people FILE."


def build_watching(
    config: SceneConfig,
    decide: DecideConfig,
    spec: ModelSpec,
    people: PeopleParts | None,
    *,
    sources: Collection[str] | None = None,
    drawn: bool = False,
) -> tuple[EventTracker, Scene | None]:
    """Build what makes events, and what looks for zones and falls.

    Args:
        config: The file of zones, and whether to tell of falls.
        decide: How long actions must last.
        spec: Knows the actions, and what it says of falls.
        people: What finds people, if anything does.
        sources: Names of all sources; None while they are not all known.
        drawn: Whether zones may be drawn later, so that their file need not be there yet.

    Raises:
        ConfigError: if the file says something that is not allowed or not known, or nobody looks
            for people.
    """
    if config.zones is None and not config.fall_alarm:
        return EventTracker(decide.min_duration_s), None
    where = "" if config.zones is None else display_path(config.zones)
    file = ZonesFile() if config.zones is None else read_zones_file(config.zones, missing_ok=drawn)
    file.rules.check(spec.labels, file.zones.names, where)
    if sources is not None:
        check_sources(file.zones, sources, where)
    if people is None and (config.fall_alarm or len(file.zones)):
        option = "--fall-alarm" if config.fall_alarm else "--zones"
        raise ConfigError(
            f"{option} needs to know where people are. Received a model that recognises whole "
            f"pictures. {_FIND_PEOPLE}"
        )
    tracker = EventTracker(decide.min_duration_s, file.rules.min_durations())
    scene = Scene(file, tracker.next_number, fall_alarm=config.fall_alarm, falls=spec.falls)
    return tracker, scene


def build_cover(private: Private | None) -> PrivacyCover | None:
    """Build what covers people in pictures; None if nothing does."""
    # With so many tracks there may be more people, whom nobody follows.
    return None if private is None else PrivacyCover(private, MAX_TRACKS)


def disclose(
    sink: SinkConfig, private: Private, people: PeopleParts | None, note: Say, *, shown: str = ""
) -> None:
    """Say what of a private run is stored, shown and sent.

    Args:
        sink: Where results go.
        private: How people are covered.
        people: What finds people, if anything does.
        note: Takes lines for the user.
        shown: Who sees pictures beside what the sinks store.
    """
    note(f"Private: all pictures show {COVERED[private]}.")
    if people is None:
        note(f"Private: nobody looks for people, so that all pictures are black. {_FIND_PEOPLE}")
    stored = {"video": sink.save_video, "clips": sink.save_events, "totals": sink.totals}
    files = [f"{what} in {display_path(file)}" for what, file in stored.items() if file]
    main = [] if sink.output is None else [f"results in {display_path(sink.output)}"]
    note(f"Private: stored: {', '.join([*main, *files]) or 'nothing'}.")
    sent = {"MQTT": sink.mqtt, "webhook": sink.webhook}
    told = [f"actions and events, without pictures, to the {what}" for what in sent if sent[what]]
    note(f"Private: sent: {', '.join(told) or 'nothing'}.")
    if shown:
        note(f"Private: shown: {shown}.")
