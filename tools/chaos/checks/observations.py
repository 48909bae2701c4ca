"""Effects that mail senders, members and strangers observed from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

#: a user without any group
STRANGER = "a stranger"
#: the tenant's member, with the access of a new sign-in
MEMBER = "the member"
#: a user who is still in the tenant's group in OCIS, which reads groups only every few minutes
LAGGING = "a member whose membership in OCIS is old"


@dataclass(frozen=True)
class Effects:
    """The effects that mail senders, members and strangers observed. Slugs are those of tenants on record."""

    #: address of a postmaster or a member to the fate of a message: delivered, refused, or returned
    mail: Mapping[str, str] = field(default_factory=dict)
    #: address of a member's mail account to whether the member can sign in to it
    mailboxes: Mapping[str, bool] = field(default_factory=dict)
    #: slug to the groups in the token of the tenant's member; None without a token
    groups: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    #: slug to users who could open the application that only the tenant's group may open
    opened: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    #: slug to users who could list the tenant's files and add one
    files: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)

    def counts(self) -> Counter[str]:
        return Counter(
            {
                "messages sent": len(self.mail),
                "sign-ins to mail accounts": len(self.mailboxes),
                "sign-ins with authorization code": len(self.groups),
                "applications opened, or refused": sum(map(len, self.opened.values())),
                "spaces reached, or refused": sum(map(len, self.files.values())),
            }
        )
