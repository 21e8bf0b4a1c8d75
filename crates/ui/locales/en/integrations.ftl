# API tokens, service accounts, applications and the audit log.
