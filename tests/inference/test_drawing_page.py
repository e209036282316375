"""launch/demo.py in a headless Chromium: strokes by mouse and by finger, and what leaves."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawn_strokes import STROKES

from pairjax.errors import UserError
from pairjax.inference.drawing_page import bind

ROOT = Path(__file__).resolve().parents[2]
# Says on standard error whom the process connects to, and whose name it asks for.
WATCHED = """
import runpy, sys
def hook(event, arguments):
    if event == 'socket.connect' and isinstance(arguments[1], tuple):
        print('CONNECTS', arguments[1][0], file=sys.stderr)
    if event == 'socket.getaddrinfo':
        print('CONNECTS', arguments[0], file=sys.stderr)
sys.addaudithook(hook)
sys.argv = ['launch/demo.py', *sys.argv[1:]]
runpy.run_path('launch/demo.py', run_name='__main__')
"""


@pytest.fixture(scope='module')
def demo():
    """The address of a running demo; at the end, checks that it connected to nobody else."""
    pytest.importorskip('gradio', reason='gradio is not installed')
    command = [sys.executable, '-c', WATCHED, '--port=0', '--nobrowser']
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said = [process.stdout.readline(), process.stdout.readline()]
    try:
        assert 'pairnet' in said[0], process.stderr.read()
        yield re.search(r'http://127\.0\.0\.1:\d+', said[1])[0]
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert 'Traceback' not in errors
    met = set(re.findall(r'CONNECTS (\S+)', errors))
    assert met <= {'127.0.0.1', 'localhost', '::1', 'None'}, met


def open_browser(width, height, is_phone):
    webdriver = pytest.importorskip('selenium.webdriver', reason='selenium is not installed')
    browser, driver = shutil.which('chromium'), shutil.which('chromedriver')
    if not browser or not driver:
        pytest.skip('chromium and chromedriver are not installed')
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ('headless=new', 'no-sandbox', 'disable-dev-shm-usage', 'disable-gpu'):
        options.add_argument(f'--{argument}')
    options.add_argument(f'--window-size={width},{height}')
    options.set_capability('goog:loggingPrefs', {'performance': 'ALL', 'browser': 'ALL'})
    if is_phone:
        metrics = {'width': width, 'height': height, 'pixelRatio': 2.0, 'touch': True}
        options.add_experimental_option('mobileEmulation', {'deviceMetrics': metrics})
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


def draw(browser, canvas, digit, kind):
    """Draws a digit with a pointer that is a mouse or a finger."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    actions = ActionBuilder(browser, mouse=PointerInput(kind, kind), duration=30)
    width, height = canvas.size['width'], canvas.size['height']
    # From the centre of the canvas.
    places = [(round((x - 0.5) * width), round((y - 0.5) * height)) for x, y in STROKES[digit]]
    actions.pointer_action.move_to(canvas, *places[0]).pointer_down()
    for place in places[1:]:
        actions.pointer_action.move_to(canvas, *place)
    actions.pointer_action.pointer_up()
    actions.perform()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'the page did not change in time'
        time.sleep(0.05)


@pytest.mark.parametrize(
    ('width', 'height', 'kind'), [(1280, 900, 'mouse'), (390, 844, 'touch')], ids=['desk', 'phone']
)
def test_strokes_are_answered(demo, width, height, kind):
    browser = open_browser(width, height, kind == 'touch')
    try:
        browser.get(demo)
        wait_for(lambda: len(browser.find_elements('css selector', 'canvas')) == 2)
        first, second = browser.find_elements('css selector', 'canvas')
        answer = browser.find_element('css selector', '.answer')
        draw(browser, first, 3, kind)
        wait_for(lambda: 'The second square has no ink' in answer.text)
        draw(browser, second, 7, kind)
        wait_for(lambda: browser.find_elements('css selector', '.verdict'))
        wait_for(lambda: re.findall(r'(?m)^\d$', answer.text) == ['3', '7'])
        assert 'yes' in browser.find_element('css selector', '.verdict').text
        assert 'all 5 seeds read 3' in answer.text and 'probability of yes' in answer.text
        images = browser.find_elements('css selector', '.answer img')
        assert [image.get_property('naturalWidth') for image in images] == [14, 14]
        # Nothing sticks out of the page.
        wide = browser.execute_script('return document.documentElement.scrollWidth')
        assert wide <= browser.execute_script('return window.innerWidth')
        if os.environ.get('PAIRJAX_SCREENSHOTS'):
            path = Path(os.environ['PAIRJAX_SCREENSHOTS'], f'{kind}.png')
            browser.save_screenshot(str(path))
        browser.find_elements('css selector', '.squares button')[0].click()
        wait_for(lambda: 'The first square has no ink' in answer.text)
        errors = [entry for entry in browser.get_log('browser') if entry['level'] == 'SEVERE']
        assert errors == []
        assert_all_requests_are_to(demo, browser.get_log('performance'))
    finally:
        browser.quit()


def assert_all_requests_are_to(address, log):
    messages = [json.loads(entry['message'])['message'] for entry in log]
    urls = [
        message['params']['request']['url']
        for message in messages
        if message['method'] == 'Network.requestWillBeSent'
    ]
    assert any('component_server' in url for url in urls)
    own = (f'{address}/', 'data:', f'blob:{address}/')
    assert [url for url in urls if not url.startswith(own)] == []


def test_a_port_in_use_is_one_sentence():
    with bind('127.0.0.1', 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f'--port={port} on 127.0.0.1 cannot be used') as caught:
            bind('127.0.0.1', port)
        assert '\n' not in str(caught.value)
    assert isinstance(bind('127.0.0.1', port), socket.socket)
