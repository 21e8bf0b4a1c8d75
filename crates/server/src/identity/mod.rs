//! Who somebody is: passwords, sessions, API tokens, workspaces and the audit log.
