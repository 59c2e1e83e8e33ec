//! What can be wrong with a PostgreSQL server, what is said about it, and that it heals.

use std::time::{Duration, Instant};

use narthex::error::Refusal;
use narthex::store::Trouble;
use sqlx::PgConnection;

use super::*;

/// What keeping fails with, in words; by no means a password.
async fn told(url: &str) -> (Trouble, String) {
    let kept = placed(&in_postgres(url)).patience(Duration::from_secs(3));
    let why = kept.put_response(&response("a")).await.unwrap_err();
    let refusal = Refusal::from(&why);
    assert_eq!(refusal.status(), 503, "{why}");
    let (place, text) = (why.place.clone(), why.to_string());
    for shown in [&text, &place, &format!("{why:?}"), &format!("{kept:?}"), &refusal.message] {
        assert!(!shown.contains("narthex-tests") && !shown.contains("wrong-word"), "{shown}");
    }
    assert!(!refusal.message.contains("127.0.0.1"), "{refusal}");
    assert!(kept.response(None, "resp_a").await.is_err(), "reading does not pretend that there is nothing");
    (why.trouble, text)
}

async fn run(url: &str, text: &'static str) {
    sqlx::raw_sql(text).execute(&mut PgConnection::connect(url).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_a_url_is_named() {
    let url = postgres::shared().database().await;
    let (trouble, text) = told(&url.replace(":narthex-tests@", ":wrong-word@")).await;
    assert!(matches!(trouble, Trouble::NotLetIn(_)) && text.contains("password"), "{text}");
    let (trouble, text) = told(&url.replace("//narthex:", "//nobody:")).await;
    assert!(matches!(trouble, Trouble::NotLetIn(_)) && text.contains("NARTHEX_STORE_URL"), "{text}");
    let (trouble, text) = told(&(url.clone() + "_not_there")).await;
    assert!(matches!(trouble, Trouble::NoDatabase(_)) && text.contains("CREATE DATABASE"), "{text}");
    let (trouble, text) = told(&(url.clone() + "?sslmode=require")).await;
    assert!(matches!(trouble, Trouble::Tls(_)) && text.contains("sslmode"), "{text}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (trouble, text) = told(&format!("postgres://narthex:narthex-tests@{nobody}/n")).await;
    assert!(matches!(trouble, Trouble::Unreachable(_)) && text.contains("refused"), "{text}");
    let (trouble, text) = told("postgres://narthex:narthex-tests@not-there.invalid/n").await;
    assert!(matches!(trouble, Trouble::Unreachable(_)) && text.contains("not-there.invalid"), "{text}");
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (trouble, text) = told(&format!("postgres://narthex:narthex-tests@{}/n", silent.local_addr().unwrap())).await;
    assert!(matches!(trouble, Trouble::Unreachable(_)) && text.contains("for 3s"), "{text}");
}

#[tokio::test]
async fn nobody_waits_for_all_who_wait() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = in_postgres(&format!("postgres://narthex@{}/n", silent.local_addr().unwrap()));
    let kept = placed(&place).patience(Duration::from_millis(300));
    let begin = Instant::now();
    let asked = futures::future::join_all((0..40).map(|_| kept.response(None, "resp_a"))).await;
    for found in asked {
        let why = found.unwrap_err();
        assert!(matches!(why.trouble, Trouble::Unreachable(_)), "{why}");
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_user_needs_rights() {
    let url = postgres::shared().database().await;
    run(&url, "CREATE USER guest PASSWORD 'wrong-word'; REVOKE ALL ON SCHEMA public FROM public").await;
    let guest = url.replace("narthex:narthex-tests@", "guest:wrong-word@");
    let (trouble, text) = told(&guest).await;
    assert!(matches!(trouble, Trouble::NotAllowed(_)) && text.contains("schema"), "{text}");
    run(&url, "GRANT USAGE ON SCHEMA public TO guest").await;
    let (trouble, text) = told(&guest).await;
    assert!(matches!(trouble, Trouble::NotAllowed(_)) && text.contains("GRANT"), "{text}");
    run(&url, "GRANT CREATE ON SCHEMA public TO guest").await;
    placed(&in_postgres(&guest)).put_response(&response("a")).await.unwrap();
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_not_waited_for_for_ever() {
    let url = postgres::shared().database().await;
    let kept = placed(&in_postgres(&url)).patience(Duration::from_millis(300));
    kept.put_response(&response("a")).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE responses IN SHARE MODE").execute(&mut other).await.unwrap();
    let why = kept.put_response(&response("b")).await.unwrap_err();
    assert!(matches!(why.trouble, Trouble::Busy), "{why}");
    assert_eq!(Refusal::from(&why).retry_after, Some(1));
    assert!(kept.response(None, "resp_a").await.unwrap().is_some());
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    kept.put_response(&response("b")).await.unwrap();
}

/// A client that goes away in the midst of anything leaves connections as good as new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_after_a_hang_up_is_kept() {
    let url = postgres::shared().database().await;
    let kept = placed(&in_postgres(&url));
    kept.put_response(&response("warm")).await.unwrap();
    for n in 0..300_u64 {
        let (read, put) = (kept.response(None, "resp_warm"), response("gone"));
        let put = kept.put_response(&put);
        let brief = Duration::from_micros(n * 7);
        let _ = tokio::join!(tokio::time::timeout(brief, read), tokio::time::timeout(brief, put));
        kept.put_response(&response(&n.to_string())).await.unwrap();
    }
    drop(kept);
    let kept = placed(&in_postgres(&url));
    for n in 0..300 {
        assert!(kept.response(None, &format!("resp_{n}")).await.unwrap().is_some(), "{n}");
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_at_once() {
    let server = postgres::Server::start(None);
    let place = in_postgres(&server.database().await);
    let kept = placed(&place).patience(Duration::from_secs(1));
    let puts = (0..5).map(|n| response(&n.to_string())).collect::<Vec<_>>();
    futures::future::join_all(puts.iter().map(|put| kept.put_response(put))).await.into_iter().for_each(Result::unwrap);
    for round in 0..2 {
        server.stop_it();
        let begin = Instant::now();
        let why = kept.put_response(&response("lost")).await.unwrap_err();
        assert!(matches!(why.trouble, Trouble::Unreachable(_)), "{why}");
        assert_eq!(Refusal::from(&why).retry_after, Some(1));
        assert!(kept.response(None, "resp_0").await.is_err());
        assert!(begin.elapsed() < Duration::from_secs(10), "nobody waits for long");
        assert!(matches!(told(&place_url(&place)).await.0, Trouble::Unreachable(_)), "whoever opens it says so, too");
        server.start_it();
        kept.put_response(&response(&format!("after_{round}"))).await.unwrap();
        assert!(kept.response(None, "resp_4").await.unwrap().is_some());
    }
    // Connections that are cut one by one are replaced just so.
    let url = place_url(&place);
    for _ in 0..3 {
        run(&url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()").await;
        kept.put_response(&response("cut")).await.unwrap();
        assert!(kept.response(None, "resp_cut").await.unwrap().is_some());
    }
}

fn place_url(place: &StorePlace) -> String {
    match place {
        StorePlace::Postgres(url) => url.expose().to_owned(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn tls_is_checked_as_the_url_demands() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = postgres::Server::start(Some((&certificate, &key)));
    let url = server.database().await;
    let local = url.replace("127.0.0.1", "localhost");
    let root = format!("sslrootcert={}", certificate.display());

    let works = async |url: String| {
        let kept = placed(&in_postgres(&url));
        kept.put_response(&response("a")).await.unwrap();
        let count = "SELECT COUNT(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND datname = current_database()
                     AND pid <> pg_backend_pid()";
        let mut other = PgConnection::connect(&url).await.unwrap();
        let over_tls: i64 = sqlx::query_scalar(count).fetch_one(&mut other).await.unwrap();
        over_tls > 0
    };
    assert!(works(format!("{local}?sslmode=require")).await);
    assert!(works(format!("{local}?sslmode=verify-full&{root}")).await);
    assert!(works(format!("{url}?sslmode=verify-ca&{root}")).await, "whatever it is called");
    for bad in [format!("{local}?sslmode=verify-full"), format!("{url}?sslmode=verify-full&{root}")] {
        let (trouble, text) = told(&bad).await;
        assert!(matches!(trouble, Trouble::Tls(_)) && text.contains("ertificate"), "{text}");
    }
}
