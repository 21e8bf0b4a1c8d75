# One sentence for each event of the audit log. `actor` and `target` are names where they are known.
audit-workspace-create = { $actor } made the workspace.
audit-user-add = { $actor } added { $target }.
audit-setup-link-make = { $actor } made a set-up link for { $target }.
audit-session-start = { $actor } signed in.
audit-session-end = A session of { $target } was ended by { $actor }.
audit-session-refuse = A sign-in as { $target } was refused.
audit-password-set = The password of { $target } was set by { $actor }.
audit-api-token-add = { $actor } made an API token for { $target }.
audit-api-token-end = { $actor } revoked an API token of { $target }.
audit-proof-give = { $actor } confirmed that it is them.
audit-proof-refuse = { $actor } could not confirm that it is them.
audit-profile-update = { $actor } changed their profile.
audit-letter-give-up = A letter could not be delivered and was given up.
audit-device-register = { $actor } signed in on a device for offline work: { $target }.
audit-device-revoke = { $actor } took a device off the list: { $target }.
