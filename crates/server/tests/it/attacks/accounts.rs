//! Attacks on what guards other people's accounts, by SQL that was injected into an admin's session.

use fieldstone_model::Role;
use futures_util::future::FutureExt as _;

use super::scratch::Scratch;
use super::{Attack, Defence, Removal, attacks};
use crate::tenancy::workspaces::actor;

attacks! { ANOTHERS_ADDRESS, ANOTHERS_NAME, INVENTED_PERSON, INVENTED_OWNER, ANOTHERS_PASSWORD, ANOTHERS_FACTOR, OWNERS_FACTOR, OWNERS_KEY, SILENT_POLICY, FREE_ATTEMPTS }

/// Whether an admin of workspace `a` can run `sql`, and it changes something.
async fn may(scratch: &Scratch, sql: &str) -> bool {
    let connection = scratch.app().await;
    connection.begin(&actor("a", Role::Admin)).await.unwrap();
    connection
        .client
        .execute(sql, &[])
        .await
        .is_ok_and(|changed| changed > 0)
}

const ANOTHERS_ADDRESS: Attack = Attack {
    name: "an owner's address rewritten, to have their letters sent elsewhere",
    run: |scratch| {
        async move {
            may(
                scratch,
                "UPDATE app.\"user\" SET email = 'mallory@x.example', email_key = 'mallory@x.example' WHERE role = 'member'",
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no UPDATE of addresses",
        remove: Removal::Sql("GRANT UPDATE (email, email_key) ON app.\"user\" TO fieldstone_app"),
    }],
};

const ANOTHERS_NAME: Attack = Attack {
    name: "a colleague who is called like the owner",
    run: |scratch| {
        async move {
            may(
                scratch,
                "UPDATE app.\"user\" SET name = 'owner', name_key = 'owner' WHERE role = 'member'",
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "one's name is one's own",
        remove: Removal::Refusal {
            functions: &["user_keep"],
            message: "what somebody is called is theirs to say",
        },
    }],
};

const INVITED_ONLY: Defence = Defence {
    name: "people come by invitation",
    remove: Removal::Refusal {
        functions: &["user_keep"],
        message: "people come by invitation",
    },
};

const INVENTED_PERSON: Attack = Attack {
    name: "a person whom nobody has invited, with an address to reset a password by",
    run: |scratch| {
        async move {
            may(
                scratch,
                "INSERT INTO app.\"user\" (tenant_id, id, email, email_key, name, name_key, role, created_at, updated_at)
                 VALUES ('00D00000000000a', '0050000000inven', 'mallory@x.example', 'mallory@x.example', 'x', 'x', 'admin', now(), now())
                 ON CONFLICT DO NOTHING",
            )
            .await
        }
        .boxed()
    },
    defences: &[INVITED_ONLY],
};

const INVENTED_OWNER: Attack = Attack {
    name: "an owner made out of nothing",
    run: |scratch| {
        async move {
            may(
                scratch,
                "INSERT INTO app.\"user\" (tenant_id, id, email, email_key, name, name_key, role, created_at, updated_at)
                 VALUES ('00D00000000000a', '0050000000owned', 'owned@x.example', 'owned@x.example', 'x', 'x', 'owner', now(), now())
                 ON CONFLICT DO NOTHING",
            )
            .await
        }
        .boxed()
    },
    defences: &[
        INVITED_ONLY,
        Defence {
            name: "the guard on roles",
            remove: Removal::Refusal {
                functions: &["user_guard"],
                message: "nobody grants or takes a role above their own",
            },
        },
    ],
};

const ANOTHERS_PASSWORD: Attack = Attack {
    name: "another person's password replaced by a known one",
    run: |scratch| {
        async move {
            may(
                scratch,
                "UPDATE app.user_secret SET password_phc = '$argon2id$v=19$known' WHERE user_id <> (SELECT app.user_id())",
            )
            .await
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no right on secrets",
            remove: Removal::Sql("GRANT SELECT, UPDATE ON app.user_secret TO fieldstone_app"),
        },
        Defence {
            name: "no policy on secrets",
            remove: Removal::Sql(
                "CREATE POLICY open ON app.user_secret TO fieldstone_app USING (tenant_id = (SELECT app.tenant_id()))",
            ),
        },
    ],
};

const ANOTHERS_FACTOR: Attack = Attack {
    name: "another person's second factor removed without a trace",
    run: |scratch| {
        async move {
            factor_of(scratch, "member").await;
            may(scratch, "DELETE FROM app.totp").await
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no right on factors",
            remove: Removal::Sql("GRANT SELECT, DELETE ON app.totp TO fieldstone_app"),
        },
        Defence {
            name: "no policy on factors",
            remove: Removal::Sql(
                "CREATE POLICY open ON app.totp TO fieldstone_app USING (tenant_id = (SELECT app.tenant_id()))",
            ),
        },
    ],
};

/// Gives whoever has this role a second factor.
async fn factor_of(scratch: &Scratch, role: &str) {
    let sql = format!(
        "INSERT INTO app.totp (tenant_id, user_id, seed, created_at, confirmed_at)
         SELECT u.tenant_id, u.id, decode(repeat('00', 40), 'hex'), now(), now() FROM app.\"user\" u
         WHERE u.tenant_id = '00D00000000000a' AND u.role = '{role}' ON CONFLICT DO NOTHING"
    );
    scratch.arrange(&sql).await;
}

const OWNERS_FACTOR: Attack = Attack {
    name: "an owner's second factor taken by an admin through the function that resets them",
    run: |scratch| {
        async move {
            factor_of(scratch, "owner").await;
            may(
                scratch,
                "SELECT FROM app.\"user\" u WHERE u.role = 'owner' AND app.reset_totp(u.id)",
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "nobody resets above themselves",
        remove: Removal::Refusal {
            functions: &["reset_totp"],
            message: "nobody resets what guards somebody above themselves",
        },
    }],
};

const OWNERS_KEY: Attack = Attack {
    name: "an API token of the owner's made by an admin",
    run: |scratch| {
        async move {
            may(
                scratch,
                "SELECT app.add_token_for(u.id, '0AT0000000stole', 'x', 'fst_xxxx', sha256(u.id::bytea), '{}', now() + interval '1 day')
                 FROM app.\"user\" u WHERE u.role = 'owner'",
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "a token is one's own",
        remove: Removal::Refusal {
            functions: &["add_token_for"],
            message: "a token is one''s own, or a service account''s",
        },
    }],
};

const SILENT_POLICY: Attack = Attack {
    name: "the second factor that a workspace asks for switched off, past the function that logs it",
    run: |scratch| {
        async move {
            may(
                scratch,
                "UPDATE app.workspace SET totp_required = false, absolute_minutes = 43200",
            )
            .await
        }
        .boxed()
    },
    defences: &[Defence {
        name: "no UPDATE of the sign-in policy",
        remove: Removal::Sql(
            "GRANT UPDATE (totp_required, absolute_minutes) ON app.workspace TO fieldstone_app",
        ),
    }],
};

const FREE_ATTEMPTS: Attack = Attack {
    name: "attempts to guess a password given back",
    run: |scratch| {
        async move {
            scratch
                .arrange(
                    "INSERT INTO app.attempt VALUES (sha256('x'), now() + interval '10 minutes') ON CONFLICT DO NOTHING",
                )
                .await;
            may(scratch, "DELETE FROM app.attempt").await
        }
        .boxed()
    },
    defences: &[
        Defence {
            name: "no right on attempts",
            remove: Removal::Sql("GRANT SELECT, DELETE ON app.attempt TO fieldstone_app"),
        },
        Defence {
            name: "no policy on attempts",
            remove: Removal::Sql(
                "CREATE POLICY open ON app.attempt TO fieldstone_app USING (true)",
            ),
        },
    ],
};
