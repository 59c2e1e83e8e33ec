//! A PostgreSQL server for tests: one for all of a test binary, or one of one's own; a new database for each test.
#![allow(dead_code, reason = "each test target uses its own part of this")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A server that runs until this is dropped, or the process ends: its script waits for the end of its standard input.
pub struct Server {
    script: Mutex<(Child, BufReader<ChildStdout>)>,
    url: String,
}

/// The server of this test binary.
pub fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(None))
}

impl Server {
    /// With this certificate and key it speaks TLS, too.
    pub fn start(tls: Option<(&Path, &Path)>) -> Self {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/postgres.sh"));
        script.arg("run").stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some((certificate, key)) = tls {
            script.args([certificate, key]);
        }
        let mut child = script.spawn().expect("the script runs");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut url = String::new();
        output.read_line(&mut url).expect("it prints");
        assert!(url.starts_with("postgres://"), "there is no PostgreSQL server to test with; see above");
        Self { script: Mutex::new((child, output)), url: url.trim().to_owned() }
    }

    /// The URL of a new and empty database.
    pub async fn database(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url).await.expect("the server is there");
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.expect(&name);
        let server = self.url.rsplit_once('/').expect("a URL").0;
        format!("{server}/{name}")
    }

    pub fn stop_it(&self) {
        self.tell("stop");
    }

    pub fn start_it(&self) {
        self.tell("start");
    }

    fn tell(&self, command: &str) {
        let mut script = self.script.lock().expect("nobody panicked");
        let (child, output) = &mut *script;
        writeln!(child.stdin.as_mut().expect("it is piped"), "{command}").expect("it reads");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("it answers");
        assert_eq!(answer, "done\n", "{command}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let script = self.script.get_mut().expect("nobody panicked");
        drop(script.0.stdin.take());
        // What is wrong with its end is no test's concern.
        let _ = script.0.wait();
    }
}
