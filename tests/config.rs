//! The configuration as users write it: discovery from the environment with its traps, precedence, and every problem at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/mod.rs"]
mod support;

use narthex::config::{Environment, Loaded, Strategy, parse};
use narthex::providers::ListMode;
use support::gateway::Setup;

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn loaded(yaml: &str, variables: &[(&str, &str)]) -> Loaded {
    parse(yaml, &env(variables)).unwrap_or_else(|why| panic!("{yaml} {variables:?}: {why}"))
}

/// `name type base key models`, one for each instance.
fn instances(yaml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let loaded = loaded(yaml, variables);
    let config = loaded.config;
    if config.is_demonstration {
        return Vec::new();
    }
    let show = |instance: &narthex::providers::Instance| {
        let key = instance.key.as_ref().map_or("-", |key| key.expose());
        format!("{} {} {} {key} {}", instance.name, instance.provider.name, instance.base, instance.models.join(","))
    };
    config.instances.iter().map(|instance| show(instance).trim_end().to_owned()).collect()
}

type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

fn check(cases: &[Case<'_>]) {
    for (yaml, variables, expected) in cases {
        assert_eq!(instances(yaml, variables), *expected, "{yaml} {variables:?}");
    }
}

const OPENAI: &str = "https://api.openai.com/v1";

#[test]
fn variables_make_instances() {
    let usual = format!("openai openai {OPENAI} k");
    let east = format!("openai-east openai {OPENAI} k");
    let east_1 = format!("openai-east-1 openai {OPENAI} k");
    check(&[
        ("", &[], &[]),
        ("", &[("OPENAI_API_KEY", "k")], &[&usual]),
        ("", &[("OPENAI_API_KEY", " k\n")], &[&usual]),
        ("", &[("OPENAI_API_KEY", "")], &[]),
        ("", &[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "")], &[&usual]),
        ("", &[("OPENAI_API_KEY", "k"), ("OPENAI_MODELS", " a, ,b ,")], &[&format!("{usual} a,b")]),
        ("", &[("OPENAI_EAST_API_KEY", "k")], &[&east]),
        ("", &[("OPENAI_EAST_1_API_KEY", "k")], &[&east_1]),
        ("", &[("OPENAI_API_KEY", "k"), ("OPENAI_EAST_API_KEY", "k")], &[&usual, &east]),
        // Not of the form that makes a suffix, or no field.
        ("", &[("OPENAI__API_KEY", "k")], &[]),
        ("", &[("OPENAI_EAST__API_KEY", "k")], &[]),
        ("", &[("OPENAI_A__B_API_KEY", "k")], &[]),
        (
            "",
            &[("OPENAI_API_KEY_FILE", "k"), ("OPENAI_KEY", "k"), ("OPENAIAPI_KEY", "k"), ("OPENAI_API_VERSION", "1")],
            &[],
        ),
        // An address alone is meant for a client on this machine.
        ("", &[("OPENAI_BASE_URL", "http://localhost:1")], &[]),
        ("", &[("OPENAI_EAST_BASE_URL", "http://localhost:1")], &[]),
        ("", &[("OPENAI_MODELS", "a")], &[]),
        (
            "",
            &[("OPENAI_MISTRAL_API_KEY", "k"), ("OPENAI_MISTRAL_BASE_URL", "https://api.mistral.ai/v1/")],
            &["openai-mistral openai https://api.mistral.ai/v1 k"],
        ),
    ]);
}

#[test]
fn providers_have_their_traps() {
    check(&[
        // Another tool's name for the key is a suffix here, and Azure needs to know where it is.
        ("", &[("AZURE_OPENAI_API_KEY", "k")], &[]),
        (
            "",
            &[("AZURE_OPENAI_API_KEY", "k"), ("AZURE_OPENAI_BASE_URL", "https://r.openai.azure.com")],
            &["azure-openai azure https://r.openai.azure.com k"],
        ),
        ("", &[("AZURE_API_KEY", "k")], &[]),
        ("", &[("ORACLE_API_KEY", "k")], &[]),
        // A field of its own, not an instance called MESSAGES.
        (
            "",
            &[("OPENCODE_GO_API_KEY", "k"), ("OPENCODE_GO_MESSAGES_MODELS", "a,b")],
            &["opencode-go opencode-go https://opencode.ai/zen/go/v1 k"],
        ),
        (
            "",
            &[("OPENCODE_GO_EU_API_KEY", "k"), ("OPENCODE_GO_EU_MESSAGES_MODELS", "a")],
            &["opencode-go-eu opencode-go https://opencode.ai/zen/go/v1 k"],
        ),
        // Servers on one's own machine need an address, not a key.
        ("", &[("OLLAMA_BASE_URL", "http://localhost:9")], &["ollama ollama http://localhost:9/v1 -"]),
        ("", &[("VLLM_B_BASE_URL", "http://h:9/v1")], &["vllm-b vllm http://h:9/v1 -"]),
        ("", &[("VLLM_API_KEY", "k")], &["vllm vllm http://localhost:8000/v1 k"]),
        // Ollama's own variable of that name is a folder.
        ("", &[("OLLAMA_MODELS", "/usr/share/ollama/models")], &[]),
        ("", &[("OLLAMA_HOST", "0.0.0.0"), ("VLLM_USE_V1", "1"), ("VLLM_LOGGING_LEVEL", "x")], &[]),
        (
            "",
            &[
                ("VERTEX_US_PROJECT", "p"),
                ("VERTEX_US_LOCATION", "us"),
                ("VERTEX_PROJECT", "q"),
                ("VERTEX_LOCATION", "global"),
                ("VERTEX_EAST_PROJECT", "p"),
                ("VERTEX_EAST_LOCATION", "us-east5"),
            ],
            &[
                "vertex vertex https://aiplatform.googleapis.com -",
                "vertex-east vertex https://us-east5-aiplatform.googleapis.com -",
                "vertex-us vertex https://aiplatform.us.rep.googleapis.com -",
            ],
        ),
        ("", &[("BEDROCK_BASE_URL", "http://h:1")], &["bedrock bedrock http://h:1 -"]),
        // Prefixes that begin alike.
        (
            "",
            &[("XIAOMI_API_KEY", "k"), ("XAI_API_KEY", "j")],
            &["xai xai https://api.x.ai/v1 j", "xiaomi xiaomi https://api.xiaomimimo.com/v1 k"],
        ),
    ]);
    // A suffixed instance inherits nothing.
    let variables = [("VERTEX_US_PROJECT", "p"), ("VERTEX_PROJECT", "q"), ("VERTEX_LOCATION", "l")];
    let why = parse("", &env(&variables)).expect_err("no location").to_string();
    assert!(why.contains("VERTEX_US_LOCATION"), "{why}");
}

/// `docker --env-file` does not expand what a shell would have: such a key is none, and is not sent anywhere.
#[test]
fn placeholders_are_no_values() {
    let usual = format!("openai openai {OPENAI} k");
    check(&[
        ("", &[("OPENAI_API_KEY", "${KEY}")], &[]),
        ("", &[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "${URL}")], &[&usual]),
        ("", &[("OPENAI_API_KEY", "k"), ("OPENAI_MODELS", "${MODELS}")], &[&usual]),
    ]);
    assert!(loaded("", &[("OPENAI_API_KEY", "${KEY}")]).remarks.iter().any(|remark| remark.contains("OPENAI_API_KEY")));
}

#[test]
fn variables_are_laid_over_the_file() {
    let mine = "providers: {mine: {type: openai, api_key: file, models: [a, b]}}";
    let two = "providers: {a: {type: openai, api_key: x}, b: {type: openai, api_key: y}}";
    check(&[
        // Onto the entry that is named like the provider, else onto its only one, else onto none.
        ("providers: {openai: {api_key: file}}", &[("OPENAI_API_KEY", "k")], &[&format!("openai openai {OPENAI} k")]),
        (mine, &[("OPENAI_API_KEY", "k")], &[&format!("mine openai {OPENAI} k a,b")]),
        (mine, &[("OPENAI_MODELS", "c")], &[&format!("mine openai {OPENAI} file c")]),
        (mine, &[("OPENAI_BASE_URL", "http://h:1")], &["mine openai http://h:1/v1 file a,b"]),
        (two, &[("OPENAI_API_KEY", "k")], &[&format!("a openai {OPENAI} x"), &format!("b openai {OPENAI} y")]),
        (
            "providers: {openai: {api_key: x}, b: {type: openai, api_key: y}}",
            &[("OPENAI_API_KEY", "k")],
            &[&format!("b openai {OPENAI} y"), &format!("openai openai {OPENAI} k")],
        ),
        // With a suffix onto the entry of that name, if it is of that type.
        (
            "providers: {openai-east: {type: openai, api_key: x}}",
            &[("OPENAI_EAST_API_KEY", "k")],
            &[&format!("openai-east openai {OPENAI} k")],
        ),
        (
            "providers: {openai_east: {type: openai, api_key: x}}",
            &[("OPENAI_EAST_MODELS", "m")],
            &[&format!("openai_east openai {OPENAI} x m")],
        ),
        (
            "providers: {openai-east: {type: groq, api_key: x}}",
            &[("OPENAI_EAST_API_KEY", "k")],
            &["openai-east groq https://api.groq.com/openai/v1 x"],
        ),
        (
            mine,
            &[("OPENAI_EAST_API_KEY", "k")],
            &[&format!("mine openai {OPENAI} file a,b"), &format!("openai-east openai {OPENAI} k")],
        ),
        (
            "providers: {opencode_go: {api_key: x}}",
            &[("OPENCODE_GO_API_KEY", "k")],
            &["opencode_go opencode-go https://opencode.ai/zen/go/v1 k"],
        ),
    ]);
    for (yaml, variable) in [(two, "OPENAI_*"), ("providers: {openai-east: {type: groq, api_key: x}}", "OPENAI_EAST_*")]
    {
        let name = variable.replace('*', "API_KEY");
        let remarks = loaded(yaml, &[(&name, "k")]).remarks;
        assert!(remarks.iter().any(|remark| remark.contains(&variable.replace("_*", ""))), "{remarks:?}");
    }
}

#[test]
fn values_are_expanded() {
    let yaml = "providers: {a: {type: openai, api_key: \"${KEY}\", base_url: \"http://${HOST:-h}:${PORT_A:-1}/v1\", models: [\"${M}\", \"$${M}\"]}}";
    check(&[
        (yaml, &[("KEY", "k"), ("M", "m")], &["a openai http://h:1/v1 k m,${M}"]),
        (yaml, &[("KEY", "k: [x"), ("HOST", "i"), ("M", "m")], &["a openai http://i:1/v1 k: [x m,${M}"]),
        // A file may name more providers than a machine has keys for.
        (
            "providers: {openai: {api_key: \"${A}\"}, groq: {api_key: \"${B:-}\"}, xai: {api_key: \"${C}\"}}",
            &[("C", "c")],
            &["xai xai https://api.x.ai/v1 c"],
        ),
    ]);
    let wrong = parse("providers: {openai: {api_key: \"${A:?ask the team}\"}}", &env(&[])).expect_err("it must be set");
    assert!(
        wrong.to_string().contains("providers.openai.api_key") && wrong.to_string().contains("ask the team"),
        "{wrong}"
    );
}

/// What looks like a number or a truth value is a text where a text is wanted, as it is spelled.
#[test]
fn texts_need_no_quotes() {
    check(&[(
        "providers: {a: {type: openai, api_key: 0123456789012345678901234567890, models: [n, on, 4.10, 1e3, 0x10, 1_000, 2024-10-21, true, \"yes\"]}}",
        &[],
        &[&format!("a openai {OPENAI} 0123456789012345678901234567890 n,on,4.10,1e3,0x10,1_000,2024-10-21,true,yes")],
    )]);
    let config = loaded("providers: {openai: {api_key: 007}}", &[]).config;
    assert_eq!(config.instances[0].key.as_ref().map(|key| key.expose()), Some("007"));
    let config =
        loaded("# é😀\nserver: {port: 9000, threads: 3}\nlog: {access: off}\nrouting: {retries: 0}", &[]).config;
    assert_eq!(
        (config.server.listen.port(), config.server.threads, config.log.access, config.routing.retries),
        (9000, 3, false, 0)
    );
}

#[test]
fn the_environment_comes_before_the_file() {
    let yaml = "server: {listen: \"127.0.0.1:1\", max_body: 1M}\nrouting: {strategy: priority, retries: 1}\ninventory: {mode: allowlist}\nlog: {level: warn}";
    let config = loaded(yaml, &[]).config;
    assert_eq!(
        (config.server.listen.port(), config.server.max_body, config.routing.strategy),
        (1, 1 << 20, Strategy::Priority)
    );
    let variables = [
        ("NARTHEX_LISTEN", "127.0.0.1:2"),
        ("PORT", "3"),
        ("NARTHEX_MAX_BODY", "2MiB"),
        ("NARTHEX_STRATEGY", "least_busy"),
        ("NARTHEX_RETRIES", "5"),
        ("NARTHEX_ADMIN_LISTEN", "off"),
        ("CONFIGURED_PROVIDER_MODELS_MODE", "fallback"),
        ("OPENAI_API_KEY", "k"),
    ];
    let config = loaded(yaml, &variables).config;
    assert_eq!(
        (config.server.listen.port(), config.server.max_body, config.routing.strategy),
        (2, 2 << 20, Strategy::LeastBusy)
    );
    assert_eq!((config.routing.retries, config.server.admin_listen), (5, None));
    assert_eq!(config.instances[0].list_mode, ListMode::Fallback);
    assert_eq!(loaded("", &[("PORT", "3")]).config.server.listen.to_string(), "127.0.0.1:3");
    assert_eq!(loaded("server: {port: 4}", &[("PORT", "")]).config.server.listen.port(), 4);
}

#[test]
fn all_problems_are_told_at_once() {
    let yaml = "\
server:
  listn: x
  max_body: lots
  threads: 0
provider: {}
providers:
  openai: {}
  mistral: {base_url: \"http://x\"}
  odd: {type: opnai, api_key: k}
  azure: {api_key: k}
  groq: {api_key: k, base_url: api.groq.com, timeouts: {read: 0, conect: 1s}, weight: -1, headers: {Host: x, \"a b\": c}}
  \"a/b\": {type: openai}
keys:
  team: {}
models:
  fast: groc/x
  none: {targets: []}
  bare: gpt
routing: {strategy: random, retries: 99}
log: [x]
store: {path: /, retention: 0}
inventory: {refresh: 0s}
";
    let problems: Vec<String> = parse(yaml, &env(&[("NARTHEX_MAX_BODY", "many"), ("PORT", "x")]))
        .expect_err("it is wrong")
        .problems()
        .iter()
        .map(ToString::to_string)
        .collect();
    for (path, says) in [
        ("line 2: server.listn", "did you mean `listen`?"),
        ("environment variable NARTHEX_MAX_BODY: server.max_body", "`many`"),
        ("environment variable PORT: server.port", "`x`"),
        ("line 4: server.threads", "`0`"),
        ("line 5: provider:", "did you mean `providers`?"),
        ("line 7: providers.openai", "api_key"),
        ("line 8: providers.mistral", "`type`"),
        ("line 9: providers.odd.type", "did you mean `openai`?"),
        ("line 10: providers.azure", "base_url"),
        ("line 11: providers.groq.base_url", "https://"),
        ("line 11: providers.groq.timeouts.read", "longer"),
        ("line 11: providers.groq.timeouts.conect", "did you mean `connect`?"),
        ("line 11: providers.groq.weight", "`-1`"),
        ("line 11: providers.groq.headers.Host", "the gateway's own"),
        ("line 11: providers.groq.headers.a b", "no header name"),
        ("line 12: providers.a/b", "letters"),
        ("line 14: keys.team", "one of"),
        ("line 16: models.fast", "did you mean `groq`?"),
        ("line 17: models.none", "targets"),
        ("line 18: models.bare", "openai/gpt"),
        ("line 19: routing.strategy", "least_busy"),
        ("line 19: routing.retries", "`99`"),
        ("line 20: log", "key: value"),
        ("line 21: store.path", "folder"),
        ("line 22: inventory.refresh", "shorter than 10 ms"),
        ("line 21: store.retention", "`0`"),
    ] {
        let told = problems.iter().any(|problem| problem.starts_with(path) && problem.contains(says));
        assert!(told, "{path} … {says} is not among\n{}", problems.join("\n"));
    }
}

#[test]
fn a_store_is_in_one_place() {
    let place = |yaml: &str, variables: &[(&str, &str)]| loaded(yaml, variables).config.store.place.to_string();
    let url = "store: {url: 'postgres://me:${SECRET}@db/narthex'}";
    let secret = ("SECRET", "h%40sh");
    assert_eq!(place("", &[]), "narthex.db");
    assert_eq!(place(url, &[secret]), "postgres://me:***@db/narthex");
    assert_eq!(place("", &[("NARTHEX_STORE_URL", "postgres://me:x@[::1]:1/n")]), "postgres://me:***@[::1]:1/n");
    // A variable is stronger than the file.
    assert_eq!(place(url, &[secret, ("NARTHEX_STORE_PATH", "own.db")]), "own.db");
    assert_eq!(place("store: {path: own.db}", &[("NARTHEX_STORE_URL", "postgres://db/n")]), "postgres://db/n");
    let shown = loaded(url, &[secret]);
    assert!(
        shown.config.to_masked_yaml().contains("  url: \"postgres://me:***@db/narthex\"\n"),
        "{}",
        shown.config.to_masked_yaml()
    );
    assert!(!format!("{:?}", shown.config).contains("h%40sh"));

    let wrong = |yaml: &str, variables: &[(&str, &str)]| parse(yaml, &env(variables)).expect_err("wrong").to_string();
    let both = [("NARTHEX_STORE_URL", "postgres://me:hush@db/n"), ("NARTHEX_STORE_PATH", "own.db")];
    for told in [wrong("", &both), wrong("store: {url: 'postgres://me:hush@db/n', path: own.db}", &[])] {
        assert!(told.contains("store") && told.contains("`path` and a `url`") && !told.contains("hush"), "{told}");
    }
    let told = wrong("", &[("NARTHEX_STORE_URL", "postgres://me:hu/sh@db/n")]);
    assert!(told.contains("environment variable NARTHEX_STORE_URL: store.url") && told.contains("%2F"), "{told}");
    assert!(!told.contains("hu/sh"), "{told}");
    let told = wrong("store: {path: 'postgres://me:hush@db/n'}", &[]);
    assert!(told.contains("store.url") && !told.contains("hush"), "{told}");
}

#[test]
fn addresses_are_taken_as_they_are_meant() {
    for (given, expected) in [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://api.openai.com/", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("http://h:1/my/proxy/v1", "http://h:1/my/proxy/v1"),
        ("HTTP://H:80/v1", "http://h/v1"),
        (" http://[::1]:9 ", "http://[::1]:9/v1"),
    ] {
        let config = loaded("", &[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", given)]).config;
        assert_eq!(config.instances[0].base.to_string(), expected, "{given}");
    }
}

/// The command line: the right file, `.env` that never overrides, exit codes.
#[test]
fn check_shows_what_was_understood() {
    let setup = Setup::config(
        "server: {port: 1}\nproviders: {openai: {api_key: canary, headers: {x: canary}}}\nkeys: {t: {value: canary}}",
    );
    let (is_fine, printed) = setup.run(&["check"]);
    assert!(
        is_fine && printed.stdout.contains("127.0.0.1:1") && printed.stdout.contains("api.openai.com"),
        "{printed:?}"
    );
    assert!(!format!("{printed:?}").contains("canary"));
    let other = setup.file("other.yaml", "server: {port: 2}");
    assert!(setup.run(&["check", "--config", &other]).1.stdout.contains("127.0.0.1:2"));
    let setup = setup.env("NARTHEX_CONFIG", &other);
    assert!(setup.run(&["check"]).1.stdout.contains("127.0.0.1:2"));
    let (is_fine, printed) = setup.run(&["check", "--config", "no-such-file"]);
    assert!(!is_fine && printed.stderr.contains("no-such-file"));
    assert!(setup.run(&["providers"]).1.stdout.contains("OPENCODE_GO_API_KEY"));
}

/// A key of blanks is none, wherever it was given; and what has one was meant to have a key.
#[test]
fn a_blank_key_is_told() {
    let told = |yaml: &str, variables: &[(&str, &str)]| {
        let problems = parse(yaml, &env(variables)).expect_err("a blank key");
        problems.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let blank = told("", &[("OPENAI_API_KEY", "  ")]);
    assert!(blank.contains("environment variable OPENAI_API_KEY: providers.openai.api_key: is blank"), "{blank}");
    for provider in ["openai", "ollama"] {
        let blank = told(&format!("providers:\n  {provider}: {{api_key: \" \"}}"), &[]);
        assert!(blank.contains(&format!("line 2: providers.{provider}.api_key: is blank")), "{blank}");
    }
}

#[test]
fn dotenv_completes_the_environment() {
    let setup = Setup::new().env("PORT", "7").env("GROQ_API_KEY", "");
    setup.file(".env", "# comment\nexport PORT=8\nOPENAI_API_KEY='k $x'\nGROQ_API_KEY=k\nXAI_API_KEY=\"k\" # why\n\n");
    let (is_fine, printed) = setup.run(&["check"]);
    assert!(is_fine, "{printed:?}");
    let shown = printed.stdout;
    assert!(shown.contains("127.0.0.1:7") && shown.contains("  openai:") && shown.contains("  xai:"), "{shown}");
    assert!(!shown.contains("  groq:"), "a variable that is empty on purpose stays empty");
}
