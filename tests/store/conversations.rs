//! Responses in a row: what was said so far, and when it is forgotten.

use std::time::{Duration, SystemTime};

use narthex::store::History;

use super::*;

#[tokio::test]
async fn a_conversation_is_told_from_its_beginning() {
    each(|kept| async move {
        kept.put_response(&response("1")).await.unwrap();
        kept.put_response(&continues("1", "2")).await.unwrap();
        kept.put_response(&continues("2", "3")).await.unwrap();
        kept.put_response(&continues("1", "fork")).await.unwrap();
        let first = "msg_1_in rs_1 msg_1_out";
        assert_eq!(ids(&kept, "resp_1").await, first);
        assert_eq!(ids(&kept, "resp_fork").await, format!("{first} msg_fork_in rs_fork msg_fork_out"));
        assert_eq!(ids(&kept, "resp_3").await, format!("{first} msg_2_in rs_2 msg_2_out msg_3_in rs_3 msg_3_out"));
        assert!(matches!(kept.history(None, "resp_4").await.unwrap(), History::NotFound));

        kept.put_response(&at_provider("up_5", continues("3", "5"))).await.unwrap();
        kept.put_response(&continues("5", "6")).await.unwrap();
        let history = kept.history(None, "resp_6").await.unwrap();
        assert!(matches!(history, History::AtProvider { instance, id } if instance == "groq" && id == "up_5"));

        kept.delete_response(None, "resp_2").await.unwrap();
        let history = kept.history(None, "resp_3").await.unwrap();
        assert!(matches!(history, History::Broken));
    })
    .await;
}

#[tokio::test]
async fn a_conversation_has_an_end() {
    each(|kept| async move {
        kept.put_response(&response("0")).await.unwrap();
        for n in 1..=1000 {
            kept.put_response(&continues(&(n - 1).to_string(), &n.to_string())).await.unwrap();
        }
        let History::Whole(items) = kept.history(None, "resp_999").await.unwrap() else { panic!("it is not too long") };
        assert_eq!(items.len(), 3000);
        assert!(matches!(kept.history(None, "resp_1000").await.unwrap(), History::TooLong { .. }));
        // Nothing that is put can make a ring; one that was made elsewhere ends, too.
        kept.put_response(&continues("self", "self")).await.unwrap();
        assert!(matches!(kept.history(None, "resp_self").await.unwrap(), History::TooLong { .. }));
    })
    .await;
}

#[tokio::test]
async fn what_is_too_old_goes() {
    each(|kept| async move {
    for n in 0..450 {
        kept.put_response(&aged(31, response(&format!("old{n}")))).await.unwrap();
    }
    kept.put_response(&aged(29, response("young"))).await.unwrap();
    kept.put_response(&aged(40, response("first"))).await.unwrap();
    kept.put_response(&aged(35, continues("first", "second"))).await.unwrap();
    kept.put_response(&aged(5, continues("second", "third"))).await.unwrap();

    assert!(kept.response(None, "resp_old1").await.unwrap().is_none(), "too old to be shown, swept or not");
    assert!(kept.item(None, "rs_old1").await.unwrap().is_none());
    assert!(!kept.delete_response(None, "resp_old1").await.unwrap());
    assert_eq!(kept.sweep(SystemTime::now()).await.unwrap(), 450);
    assert!(kept.response(None, "resp_young").await.unwrap().is_some());

    assert!(kept.response(None, "resp_second").await.unwrap().is_none());
    assert!(matches!(kept.history(None, "resp_second").await.unwrap(), History::NotFound));
    let whole = "msg_first_in rs_first msg_first_out msg_second_in rs_second msg_second_out msg_third_in rs_third msg_third_out";
    assert_eq!(ids(&kept, "resp_third").await, whole, "a conversation ends as a whole");
    let later = SystemTime::now() + Duration::from_secs(26 * DAY);
    assert_eq!(kept.sweep(later).await.unwrap(), 4);
    assert_eq!(kept.sweep(later).await.unwrap(), 0);
    }).await;
}
