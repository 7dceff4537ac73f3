# /// script
# dependencies = ["beautifulsoup4"]
# ///
from bs4 import BeautifulSoup


def operate():
    soup = BeautifulSoup("<p class='a b'>one <b>two</b></p><p>three", "html.parser")
    return [soup.select_one("p.a > b").text, [p.get_text(strip=True) for p in soup.find_all("p")], soup.prettify()]
