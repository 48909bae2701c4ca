"""Tables of the properties of Stalwart 0.16, apart from the simulator, which is checked against them.

A line: a name, then `required`, `server-set`, or the default as JSON. A variant lists its additional properties.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

TENANT = """
name required
logo null
roles {"@type": "Default"}
permissions {"@type": "Inherit"}
quotas {}
createdAt server-set
usedDiskQuota server-set
"""
DOMAIN = """
name required
aliases {}
isEnabled true
description null
logo null
certificateManagement {"@type": "Manual"}
dkimManagement {"@type": "Automatic", "algorithms": {"Dkim1Ed25519Sha256": true, "Dkim1RsaSha256": true},\
 "selectorTemplate": "v{version}-{algorithm}-{date-%Y%m%d}",\
 "rotateAfter": 7776000000, "retireAfter": 604800000, "deleteAfter": 2592000000}
dnsManagement {"@type": "Manual"}
memberTenantId null
directoryId null
catchAllAddress null
subAddressing {"@type": "Enabled"}
allowRelaying false
reportAddressUri "mailto:postmaster"
createdAt server-set
dnsZoneFile server-set
"""
ACCOUNT = """
name required
domainId required
memberTenantId null
aliases {}
description null
quotas {}
permissions {"@type": "Inherit"}
locale "en_US"
timeZone null
emailAddress server-set
createdAt server-set
usedDiskQuota server-set
"""
USER = """
roles {"@type": "User"}
credentials {}
memberGroupIds {}
encryptionAtRest {"@type": "Disabled"}
"""
GROUP = """
roles {"@type": "Default"}
"""
MAILING_LIST = """
name required
domainId required
description null
aliases {}
memberTenantId null
recipients {}
emailAddress server-set
"""
DKIM = """
domainId required
selector required
privateKey required
stage "active"
nextTransitionAt null
memberTenantId null
publicKey server-set
createdAt server-set
"""
DKIM1 = """
canonicalization "relaxed/relaxed"
headers {"From": true, "To": true, "Date": true, "Subject": true, "Message-ID": true}
report true
auid null
expire null
thirdParty null
thirdPartyHash null
"""
DKIM2 = """
flags {}
"""
ROLE = """
description required
memberTenantId null
roleIds {}
enabledPermissions {}
disabledPermissions {}
"""
OIDC_DIRECTORY = """
description required
issuerUrl required
requireAudience "stalwart"
requireScopes {"openid": true, "email": true}
claimUsername "preferred_username"
usernameDomain null
claimName "name"
claimGroups null
memberTenantId null
"""

#: (kind, `@type` or ""): its lines
TABLES = {
    ("Tenant", ""): TENANT,
    ("Domain", ""): DOMAIN,
    ("Account", "User"): ACCOUNT + USER,
    ("Account", "Group"): ACCOUNT + GROUP,
    ("MailingList", ""): MAILING_LIST,
    ("DkimSignature", "Dkim1Ed25519Sha256"): DKIM + DKIM1,
    ("DkimSignature", "Dkim2Ed25519Sha256"): DKIM + DKIM2,
    ("Role", ""): ROLE,
    ("Directory", "Oidc"): OIDC_DIRECTORY,
}


@dataclass(frozen=True)
class Properties:
    """By name; `defaults` of those that are neither required nor the server's."""

    required: frozenset[str]
    server_set: frozenset[str]
    defaults: dict[str, Any]


def properties(kind: str, variant: str) -> Properties:
    lines = [line.split(" ", 1) for line in TABLES[kind, variant].splitlines() if line]
    by_word = {word: frozenset(name for name, rest in lines if rest == word) for word in ("required", "server-set")}
    plain = {name: json.loads(rest) for name, rest in lines if rest not in by_word}
    return Properties(by_word["required"], by_word["server-set"], plain)
