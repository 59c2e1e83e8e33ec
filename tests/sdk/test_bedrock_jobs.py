"""Batches as jobs of Amazon Bedrock over S3: signed as botocore would sign each request, and read by boto3 where the simulator answers."""

import json
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from amazon import ANSWER, Amazon
from gateway import Gateway
from kept import create, lines, over, read, said, until
from simulator import Simulator
from stand_in import Reply

KEY = "sk-test-of-the-sdks"
ARN = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghij12"
ROLE = "arn:aws:iam::123456789012:role/batches"
# What nobody would call a file, so that every sign is encoded as S3 reads it.
ODD = "an odd+name=ünd %41&more//of it.jsonl.out"

boto3 = pytest.importorskip("boto3")


class Jobs(Amazon):
    """Keeps objects, lists them one at a time, and has done a job as soon as somebody asks."""

    def __init__(self, *keys):
        super().__init__(*keys)
        self.objects, self.job = {}, None

    def reply(self, method, path, headers, body):
        self.requests.append((method, path, headers, body))
        if why := self.mistake(method, path, headers, body):
            return Reply(f"<Error><Code>SignatureDoesNotMatch</Code><Message>{why}</Message></Error>".encode(), status=403)
        if path.startswith("/s3/jobs/"):
            return self.storage(method, urlsplit(path), body)
        if "/model-invocation-job" not in path:
            return Reply(self.answer(path, body)[1])
        if method == "POST":
            self.job = json.loads(body)
            return Reply(json.dumps({"jobArn": ARN}).encode())
        assert path == "/model-invocation-job/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Amodel-invocation-job%2Fabcdefghij12"
        self.answer_lines()
        shown = {"jobArn": ARN, "status": "Completed", "successRecordCount": 4, "errorRecordCount": 0}
        return Reply(json.dumps({**self.job, **shown}).encode())

    def answer_lines(self):
        place = lambda config: config.popitem()[1]["s3Uri"].removeprefix("s3://jobs/")  # noqa: E731
        asked = self.objects[place(dict(self.job["inputDataConfig"]))]
        answered = b"".join(
            json.dumps({**json.loads(line), "modelOutput": ANSWER}).encode() + b"\n" for line in asked.splitlines()
        )
        folder = place(dict(self.job["outputDataConfig"]))
        self.objects |= {f"{folder}abcdefghij12/{ODD}": answered, f"{folder}abcdefghij12/manifest.json.out": b"{}"}

    def storage(self, method, url, body):
        key = unquote(url.path).removeprefix("/s3/jobs/")
        match method:
            case "PUT":
                self.objects[key] = body
                return Reply(b"")
            case "DELETE":
                self.objects.pop(key, None)
                return Reply(b"")
            case _ if key:
                return Reply(self.objects[key], "binary/octet-stream")
        query = parse_qs(url.query, strict_parsing=True)
        assert query["list-type"] == ["2"]
        after = query.get("continuation-token", [""])[0].removeprefix("+/= ")
        found = sorted(key for key in self.objects if key.startswith(query["prefix"][0]) and key > after)
        text = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[key])}</Size></Contents>" for key in found[:1]
        )
        if found[1:]:
            text += f"<NextContinuationToken>{escape('+/= ' + found[0])}</NextContinuationToken>"
        more = str(bool(found[1:])).lower()
        text = f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{text}</ListBucketResult>"
        return Reply(text.encode(), "application/xml")


@pytest.mark.parametrize("token", [None, "a/session+token=="])
def test_every_request_is_signed_for_its_service(token):
    openai = pytest.importorskip("openai")
    with Jobs("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token) as amazon:
        keys = amazon.credentials
        variables = {
            "BEDROCK_BASE_URL": amazon.root,
            "BEDROCK_BATCH_BUCKET": "s3://jobs/some/where",
            "BEDROCK_BATCH_ROLE": ROLE,
            "BEDROCK_STORAGE_URL": f"{amazon.root}/s3",
            "AWS_REGION": amazon.region,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "NARTHEX_MASTER_KEY": KEY,
            "NARTHEX_BATCHES_POLL": "20ms",
            **({"AWS_SESSION_TOKEN": token} if token else {}),
        }
        with Gateway(**variables) as gateway:
            with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
                asked = lines("bedrock/anthropic.claude-x-v1:0")
                batch = over(client, create(client, "bedrock", asked))
                assert (batch.status, batch.request_counts.completed) == ("completed", 4), batch
                results = read(client, batch.output_file_id)
        assert {name: said("/v1/chat/completions", result) for name, result in results.items()} == {
            f"request-{number}": ["signed"] for number in range(4)
        }
        assert not amazon.objects, "something is left behind"
        assert amazon.job["modelId"] == "anthropic.claude-x-v1:0" and amazon.job["roleArn"] == ROLE
        methods = [method for method, path, *_ in amazon.requests if path.startswith("/s3/")]
        assert methods.count("PUT") == 1 and methods.count("DELETE") == 3
        assert any("%2Bname%3D%C3%BCnd%20%2541%26more//of%20it" in path for _, path, *_ in amazon.requests)


@pytest.fixture(scope="module")
def simulator():
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def client(simulator, amazon_session):
    """Makes Amazon's own clients of the simulator."""
    config = pytest.importorskip("botocore.config").Config(retries={"total_max_attempts": 1})

    def made(service):
        path = "/s3" if service == "s3" else ""
        return amazon_session.client(service, endpoint_url=simulator.root + path, config=config)

    return made


def test_boto3_keeps_objects(client):
    s3 = client("s3")
    names = ["a/ü b=c+d.txt", "a/1", "a/2&<3>", "b/1"]
    for name in names:
        assert s3.put_object(Bucket="some-bucket", Key=name, Body=name.encode(), ContentType="text/x")["ETag"]
    found = s3.get_object(Bucket="some-bucket", Key=names[0])
    assert (found["Body"].read().decode(), found["ContentType"]) == (names[0], "text/x")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="some-bucket", Prefix="a/", PaginationConfig={"PageSize": 1})
    listed = [item for page in pages for item in page["Contents"]]
    assert [item["Key"] for item in listed] == sorted(names[:3])
    assert [item["Size"] for item in listed] == [len(name.encode()) for name in sorted(names[:3])]
    assert s3.list_objects_v2(Bucket="another")["KeyCount"] == 0
    for _ in range(2):
        s3.delete_object(Bucket="some-bucket", Key=names[0])
    with pytest.raises(s3.exceptions.NoSuchKey) as refused:
        s3.get_object(Bucket="some-bucket", Key=names[0])
    assert refused.value.response["Error"]["Key"] == names[0]
    with pytest.raises(s3.exceptions.ClientError, match="MethodNotAllowed"):
        s3.create_bucket(Bucket="new-bucket")
    with pytest.raises(s3.exceptions.ClientError, match="NotImplemented"):
        s3.list_objects_v2(Bucket="some-bucket", Delimiter="/")


def record(number, text="hello"):
    content = [{"text": f"{text} {number}"}]
    body = {"messages": [{"role": "user", "content": content}], "inferenceConfig": {"maxTokens": 9}}
    return {"recordId": f"r-{number}", "modelInput": body}


def ordered(client, name, records, key=None):
    """A job of these records."""
    key = key or f"{name}/in.jsonl"
    client("s3").put_object(Bucket="jobs", Key=key, Body="\n".join(map(json.dumps, records)).encode())
    return {
        "jobName": name,
        "clientRequestToken": f"token-{name}",
        "roleArn": ROLE,
        "modelId": "us.anthropic.claude-x-v1:0",
        "modelInvocationType": "Converse",
        "inputDataConfig": {"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": f"s3://jobs/{key}"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://jobs/{name}/out/"}},
        "timeoutDurationInHours": 24,
    }


def test_boto3_runs_a_job(client):
    bedrock, s3 = client("bedrock"), client("s3")
    tools = {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}
    with_tools = record(3)
    with_tools["modelInput"]["toolConfig"] = tools
    asked = ordered(client, "whole", [record(1), record(2, "please fail:429"), with_tools])
    arn = bedrock.create_model_invocation_job(**asked)["jobArn"]
    assert bedrock.create_model_invocation_job(**asked)["jobArn"] == arn, "the same token means the same job"
    assert bedrock.get_model_invocation_job(jobIdentifier=arn)["status"] == "InProgress"
    job = until(
        lambda: bedrock.get_model_invocation_job(jobIdentifier=arn.split("/")[1]),
        lambda job: job["status"] == "Completed",
        "for its end",
    )
    assert (job["totalRecordCount"], job["successRecordCount"], job["errorRecordCount"]) == (3, 1, 2)
    assert job["endTime"] >= job["submitTime"] and job["modelInvocationType"] == "Converse"
    folder = f"whole/out/{arn.split('/')[1]}/"
    listed = [item["Key"] for item in s3.list_objects_v2(Bucket="jobs", Prefix=folder)["Contents"]]
    assert listed == [folder + "in.jsonl.out", folder + "manifest.json.out"]
    read = lambda key: s3.get_object(Bucket="jobs", Key=key)["Body"].read()  # noqa: E731
    found = {line["recordId"]: line for line in map(json.loads, read(listed[0]).splitlines())}
    assert "hello 1" in found["r-1"]["modelOutput"]["output"]["message"]["content"][0]["text"]
    assert found["r-1"]["modelInput"] == record(1)["modelInput"]
    assert {name: line["error"]["errorCode"] for name, line in found.items() if "error" in line} == {"r-2": 429, "r-3": 400}
    manifest = json.loads(read(listed[1]))
    assert (manifest["processedRecordCount"], manifest["errorRecordCount"]) == (3, 2)
    assert manifest["outputTokenCount"] == found["r-1"]["modelOutput"]["usage"]["outputTokens"]
    with pytest.raises(bedrock.exceptions.ValidationException, match="State was: Completed"):
        bedrock.stop_model_invocation_job(jobIdentifier=arn)


def test_boto3_stops_a_job_and_lists_them(client):
    bedrock = client("bedrock")
    arns = [bedrock.create_model_invocation_job(**ordered(client, f"listed-{n}", [record(1)]))["jobArn"] for n in range(3)]
    pages = bedrock.get_paginator("list_model_invocation_jobs")
    listed = pages.paginate(nameContains="listed", PaginationConfig={"PageSize": 2}).build_full_result()
    assert [job["jobArn"] for job in listed["invocationJobSummaries"]] == arns[::-1]
    assert bedrock.list_model_invocation_jobs(nameContains="nobody")["invocationJobSummaries"] == []
    bedrock.stop_model_invocation_job(jobIdentifier=arns[0])
    statuses = [bedrock.get_model_invocation_job(jobIdentifier=arns[0])["status"] for _ in range(2)]
    assert statuses == ["Stopped", "Stopped"]
    assert len(bedrock.list_model_invocation_jobs(statusEquals="Stopped", nameContains="listed")["invocationJobSummaries"]) == 1


def test_boto3_is_told_what_is_wrong(client):
    bedrock = client("bedrock")
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_model_invocation_job(jobIdentifier="abcdefghij12")
    good = ordered(client, "good", [record(1)])
    for name, value in [("jobName", "-x"), ("roleArn", "arn:aws:iam::123456789012:user/x"), ("modelInvocationType", "InvokeModel")]:
        with pytest.raises(bedrock.exceptions.ValidationException, match=name):
            bedrock.create_model_invocation_job(**{**good, name: value, "clientRequestToken": f"other-{name}"})
    for name, records, key in [("gone", [], "gone/in.jsonl"), ("odd", ["x"], "odd/in.jsonl"), ("txt", [record(1)], "txt/in.txt")]:
        arn = bedrock.create_model_invocation_job(**ordered(client, name, records, key))["jobArn"]
        job = bedrock.get_model_invocation_job(jobIdentifier=arn)
        assert (job["status"], bool(job["message"])) == ("Failed", True), name
