# /// script
# dependencies = ["boto3"]
# ///
import boto3
from botocore.config import Config


def operate():
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="eu-west-1")
    client = session.client("s3", config=Config(signature_version="s3v4"))
    asked = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a b"})
    return [asked.split("?")[0], "X-Amz-Signature" in asked, len(session.get_available_services()) > 300]
