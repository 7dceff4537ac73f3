# /// script
# dependencies = ["flask"]
# ///
import flask


def operate():
    application = flask.Flask("probe")
    application.secret_key = "k"

    @application.route("/<name>", methods=["POST"])
    def answer(name):
        flask.session["seen"] = name
        return flask.jsonify(name=name, body=flask.request.get_json())

    got = application.test_client().post("/ada", json={"a": 1})
    return [got.status_code, got.get_json(), got.headers["Set-Cookie"].startswith("session=")]
